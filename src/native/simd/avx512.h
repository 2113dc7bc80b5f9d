// AVX-512 (F, BW, DQ, VL) operations, for the tables with and without VNNI.
//
// Thread-safety: pure functions.
#pragma once

#include "simd/loops.h"
#include "simd/x86.h"

namespace engram::simd {
namespace {

struct Avx512 {
  // --- floats ---
  using Floats = __m512;
  static constexpr std::size_t kFloats = 16;

  static Floats zero() { return _mm512_setzero_ps(); }
  static Floats load(const float* at) { return _mm512_loadu_ps(at); }
  // The elements from dim / kFloats * kFloats on, then zeros.
  static Floats load_last(const float* vector, std::size_t dim) {
    const std::size_t n = dim % kFloats;
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), vector + (dim - n));
  }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static Floats multiply_add(Floats a, Floats b, Floats sum) { return _mm512_fmadd_ps(a, b, sum); }
  static float total(Floats sum) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }

  // --- bytes ---
  using Sum = __m512i;  // sixteen of int32
  static constexpr std::size_t kBytes = 64;
  struct Query {  // the even and the odd elements as int16
    __m512i even, odd;
  };

  static __m512i load_bytes(const void* at) { return _mm512_loadu_si512(at); }
  // The elements from dim / kBytes * kBytes on, then zeros.
  static __m512i load_last_bytes(const void* vector, std::size_t dim) {
    const std::size_t n = dim % kBytes;
    const auto* rest = static_cast<const std::uint8_t*>(vector) + (dim - n);
    return _mm512_maskz_loadu_epi8((__mmask64{1} << n) - 1, rest);
  }
  static Sum no_sum() { return _mm512_setzero_si512(); }
  static Query query(__m512i bytes) {
    return {_mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8), _mm512_srai_epi16(bytes, 8)};
  }
  // Not maddubs, whose 16-bit sums saturate.
  static Sum multiply_add(__m512i code, const Query& query, Sum sum) {
    const __m512i even = _mm512_and_si512(code, _mm512_set1_epi16(0xFF));
    const __m512i odd = _mm512_srli_epi16(code, 8);
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(even, query.even));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(odd, query.odd));
  }
  // Of each byte the low four bits, and the high four.
  static __m512i low_halves(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi8(0x0F)); }
  static __m512i high_halves(__m512i bytes) { return low_halves(_mm512_srli_epi16(bytes, 4)); }
  static Sum add_squared_differences(__m512i a, __m512i b, Sum sum) {
    const __m512i apart = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
    const __m512i even = _mm512_and_si512(apart, _mm512_set1_epi16(0xFF));
    const __m512i odd = _mm512_srli_epi16(apart, 8);
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(even, even));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(odd, odd));
  }
  static std::int32_t total(Sum sum) {
    __m128i four = fold(sum);
    four = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 1)));
  }
  static void finish(const CodeQuery& query, const std::byte* const (&codes)[4], const Sum (&sums)[4],
                     float* out) {
    const __m512i low01 = _mm512_unpacklo_epi32(sums[0], sums[1]);
    const __m512i high01 = _mm512_unpackhi_epi32(sums[0], sums[1]);
    const __m512i low23 = _mm512_unpacklo_epi32(sums[2], sums[3]);
    const __m512i high23 = _mm512_unpackhi_epi32(sums[2], sums[3]);
    const __m512i both01 = _mm512_add_epi32(low01, high01);  // 0 1 0 1 in every 128 bits
    const __m512i both23 = _mm512_add_epi32(low23, high23);
    const __m512i all =
        _mm512_add_epi32(_mm512_unpacklo_epi64(both01, both23), _mm512_unpackhi_epi64(both01, both23));
    finish_four(query, codes, fold(all), out);
  }

  // --- candidates ---
  static std::size_t count_not_above(Floats values, float x) {
    const __mmask16 mask = _mm512_cmp_ps_mask(values, _mm512_set1_ps(x), _CMP_LE_OQ);
    return static_cast<std::size_t>(__builtin_popcount(mask));
  }
  static std::size_t select_below(Floats values, float bound, std::uint32_t first, std::uint32_t* out) {
    const __mmask16 mask = _mm512_cmp_ps_mask(values, _mm512_set1_ps(bound), _CMP_LT_OQ);
    const __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i indices = _mm512_add_epi32(counting, _mm512_set1_epi32(static_cast<int>(first)));
    // Compressed in a register: compressing into memory takes some processors a hundred cycles.
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(mask, indices));
    return static_cast<std::size_t>(__builtin_popcount(mask));
  }

  // --- conversions, sixteen at a time ---
  static void f16_to_f32(const std::uint16_t* in, float* out) {
    _mm512_storeu_ps(out, _mm512_cvtph_ps(load_halves(in)));
  }
  static void f32_to_f16(const float* in, std::uint16_t* out) {
    store_halves(out, _mm512_cvtps_ph(_mm512_loadu_ps(in), _MM_FROUND_TO_NEAREST_INT));
  }
  static void bf16_to_f32(const std::uint16_t* in, float* out) {
    _mm512_storeu_ps(out, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_halves(in)), 16)));
  }
  // Not the instruction of AVX512_BF16, which flushes subnormals.
  static void f32_to_bf16(const float* in, std::uint16_t* out) {
    const __m512 values = _mm512_loadu_ps(in);
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), even);
    const __mmask16 nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
    const __m512i chosen = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x00400000));
    store_halves(out, _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16)));
  }

 private:
  static __m128i fold(Sum sum) {
    const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  }
  static __m256i load_halves(const std::uint16_t* in) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
  }
  static void store_halves(std::uint16_t* out, __m256i halves) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), halves);
  }
};

}  // namespace
}  // namespace engram::simd
