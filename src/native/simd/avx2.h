// AVX2 operations (with FMA and F16C), for the tables with and without VNNI.
//
// Thread-safety: pure functions.
#pragma once

#include "simd/loops.h"
#include "simd/x86.h"

namespace engram::simd {
namespace {

// Zeros first: a window that begins n bytes in has n trailing bytes of ones.
alignas(64) constexpr std::uint8_t kSlide8[64] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

// kPlaces.of[mask]: the places of the mask's ones, lowest first.
struct Places {
  std::uint8_t of[256][8];
};
constexpr Places kPlaces = [] {
  Places places{};
  for (int mask = 0; mask < 256; ++mask) {
    int found = 0;
    for (std::uint8_t place = 0; place < 8; ++place) {
      if ((mask >> place & 1) != 0) places.of[mask][found++] = place;
    }
  }
  return places;
}();

struct Avx2 {
  // --- floats ---
  using Floats = __m256;
  static constexpr std::size_t kFloats = 8;

  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats load(const float* at) { return _mm256_loadu_ps(at); }
  // The elements from dim / kFloats * kFloats on, somewhere in the register, the rest of it zeros. By a load
  // that overlaps the one before, rather than a masked one: some emulators let those fault.
  static Floats load_last(const float* vector, std::size_t dim) {
    return _mm256_castsi256_ps(load_last_bytes(vector, dim * sizeof(float)));
  }
  static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static Floats multiply_add(Floats a, Floats b, Floats sum) { return _mm256_fmadd_ps(a, b, sum); }
  static float total(Floats sum) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }

  // --- bytes ---
  using Sum = __m256i;  // eight of int32
  static constexpr std::size_t kBytes = 32;
  struct Query {  // the even and the odd elements as int16
    __m256i even, odd;
  };

  static __m256i load_bytes(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
  // The elements from dim / kBytes * kBytes on, somewhere in the register, the rest of it zeros.
  static __m256i load_last_bytes(const void* vector, std::size_t dim) {
    const auto* bytes = static_cast<const std::uint8_t*>(vector);
    const std::size_t n = dim % kBytes;
    if (dim < kBytes) {
      alignas(kBytes) std::uint8_t few[kBytes] = {};
      copy_few(bytes, n, few);
      return _mm256_load_si256(reinterpret_cast<const __m256i*>(few));
    }
    const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kSlide8 + n));
    return _mm256_and_si256(load_bytes(bytes + dim - kBytes), mask);
  }
  static Sum no_sum() { return _mm256_setzero_si256(); }
  static Query query(__m256i bytes) {
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  }
  // Not maddubs, whose 16-bit sums saturate.
  static Sum multiply_add(__m256i code, const Query& query, Sum sum) {
    const __m256i even = _mm256_and_si256(code, _mm256_set1_epi16(0xFF));
    const __m256i odd = _mm256_srli_epi16(code, 8);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, query.even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(odd, query.odd));
  }
  // Of each byte the low four bits, and the high four.
  static __m256i low_halves(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(0x0F)); }
  static __m256i high_halves(__m256i bytes) { return low_halves(_mm256_srli_epi16(bytes, 4)); }
  static Sum add_squared_differences(__m256i a, __m256i b, Sum sum) {
    const __m256i apart = _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
    const __m256i even = _mm256_and_si256(apart, _mm256_set1_epi16(0xFF));
    const __m256i odd = _mm256_srli_epi16(apart, 8);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(odd, odd));
  }
  static std::int32_t total(Sum sum) {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 1)));
  }
  static void finish(const CodeQuery& query, const std::byte* const (&codes)[4], const Sum (&sums)[4],
                     float* out) {
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    finish_four(query, codes, _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)),
                out);
  }

  // --- candidates ---
  static std::size_t count_not_above(Floats values, float x) {
    const int mask = _mm256_movemask_ps(_mm256_cmp_ps(values, _mm256_set1_ps(x), _CMP_LE_OQ));
    return static_cast<std::size_t>(__builtin_popcount(static_cast<unsigned>(mask)));
  }
  static std::size_t select_below(Floats values, float bound, std::uint32_t first, std::uint32_t* out) {
    const int mask = _mm256_movemask_ps(_mm256_cmp_ps(values, _mm256_set1_ps(bound), _CMP_LT_OQ));
    const __m128i places = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPlaces.of[mask]));
    const __m256i indices =
        _mm256_add_epi32(_mm256_cvtepu8_epi32(places), _mm256_set1_epi32(static_cast<int>(first)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), indices);
    return static_cast<std::size_t>(__builtin_popcount(static_cast<unsigned>(mask)));
  }

  // --- conversions, eight at a time ---
  static void f16_to_f32(const std::uint16_t* in, float* out) {
    _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in))));
  }
  static void f32_to_f16(const float* in, std::uint16_t* out) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(in), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), halves);
  }
  static void bf16_to_f32(const std::uint16_t* in, float* out) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
    _mm256_storeu_ps(out, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
  }
  static void f32_to_bf16(const float* in, std::uint16_t* out) {
    const __m256 values = _mm256_loadu_ps(in);
    const __m256i bits = _mm256_castps_si256(values);
    const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), even);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_UNORD_Q));
    const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0b1000);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(packed));
  }
};

}  // namespace
}  // namespace engram::simd
