// NEON operations, for the tables with and without the dot product instructions.
//
// Thread-safety: pure functions.
#pragma once

#include <arm_neon.h>

#include "simd/loops.h"

namespace engram::simd {
namespace {

// Zeros first: a window that begins n bytes in has n trailing bytes of ones.
alignas(16) constexpr std::uint8_t kSlide8[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

constexpr std::uint32_t kBits[4] = {1, 2, 4, 8};
// kPlaces.of[mask]: the places of the mask's ones, lowest first.
struct Places {
  std::uint32_t of[16][4];
};
constexpr Places kPlaces = [] {
  Places places{};
  for (std::uint32_t mask = 0; mask < 16; ++mask) {
    int found = 0;
    for (std::uint32_t place = 0; place < 4; ++place) {
      if ((mask >> place & 1) != 0) places.of[mask][found++] = place;
    }
  }
  return places;
}();

struct Neon {
  // --- floats ---
  using Floats = float32x4_t;
  static constexpr std::size_t kFloats = 4;

  static Floats zero() { return vdupq_n_f32(0.0f); }
  static Floats load(const float* at) { return vld1q_f32(at); }
  // The elements from dim / kFloats * kFloats on, somewhere in the register, the rest of it zeros.
  static Floats load_last(const float* vector, std::size_t dim) {
    return vreinterpretq_f32_u8(load_last_bytes(vector, dim * sizeof(float)));
  }
  static Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
  static Floats multiply_add(Floats a, Floats b, Floats sum) { return vfmaq_f32(sum, a, b); }
  static float total(Floats sum) { return vaddvq_f32(sum); }

  // --- bytes ---
  struct Sum {  // two chains, so that neither waits for the other
    int32x4_t even, odd;
  };
  static constexpr std::size_t kBytes = 16;
  struct Query {  // the lower and the upper half as int16
    int16x8_t low, high;
  };

  static uint8x16_t load_bytes(const void* at) { return vld1q_u8(static_cast<const std::uint8_t*>(at)); }
  // The elements from dim / kBytes * kBytes on, somewhere in the register, the rest of it zeros.
  static uint8x16_t load_last_bytes(const void* vector, std::size_t dim) {
    const auto* bytes = static_cast<const std::uint8_t*>(vector);
    const std::size_t n = dim % kBytes;
    if (dim < kBytes) {
      std::uint8_t few[kBytes] = {};
      copy_few(bytes, n, few);
      return vld1q_u8(few);
    }
    return vandq_u8(vld1q_u8(bytes + dim - kBytes), vld1q_u8(kSlide8 + n));
  }
  static Sum no_sum() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
  static Query query(uint8x16_t bytes) {
    const int8x16_t values = vreinterpretq_s8_u8(bytes);
    return {vmovl_s8(vget_low_s8(values)), vmovl_high_s8(values)};
  }
  static Sum multiply_add(uint8x16_t code, const Query& query, Sum sum) {
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(code)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(code));
    sum.even = vmlal_s16(sum.even, vget_low_s16(low), vget_low_s16(query.low));
    sum.odd = vmlal_high_s16(sum.odd, low, query.low);
    sum.even = vmlal_s16(sum.even, vget_low_s16(high), vget_low_s16(query.high));
    sum.odd = vmlal_high_s16(sum.odd, high, query.high);
    return sum;
  }
  // Of each byte the low four bits, and the high four.
  static uint8x16_t low_halves(uint8x16_t bytes) { return vandq_u8(bytes, vdupq_n_u8(0x0F)); }
  static uint8x16_t high_halves(uint8x16_t bytes) { return vshrq_n_u8(bytes, 4); }
  static Sum add_squared_differences(uint8x16_t a, uint8x16_t b, Sum sum) {
    const uint8x16_t apart = vabdq_u8(a, b);
    sum.even = add_pairs(sum.even, vmull_u8(vget_low_u8(apart), vget_low_u8(apart)));
    sum.odd = add_pairs(sum.odd, vmull_high_u8(apart, apart));
    return sum;
  }
  static std::int32_t total(const Sum& sum) { return vaddvq_s32(vaddq_s32(sum.even, sum.odd)); }
  static void finish(const CodeQuery& query, const std::byte* const (&codes)[4], const Sum (&sums)[4],
                     float* out) {
    int32x4_t each[4];
    for (int j = 0; j < 4; ++j) each[j] = vaddq_s32(sums[j].even, sums[j].odd);
    finish_four(query, codes, vpaddq_s32(vpaddq_s32(each[0], each[1]), vpaddq_s32(each[2], each[3])), out);
  }

  // --- candidates ---
  static std::size_t count_not_above(Floats values, float x) {
    const uint32x4_t mask = vcleq_f32(values, vdupq_n_f32(x));
    return vaddvq_u32(vshrq_n_u32(mask, 31));
  }
  static std::size_t select_below(Floats values, float bound, std::uint32_t first, std::uint32_t* out) {
    const uint32x4_t below = vcltq_f32(values, vdupq_n_f32(bound));
    const std::uint32_t mask = vaddvq_u32(vandq_u32(below, vld1q_u32(kBits)));
    vst1q_u32(out, vaddq_u32(vld1q_u32(kPlaces.of[mask]), vdupq_n_u32(first)));
    return static_cast<std::size_t>(__builtin_popcount(mask));
  }

  // --- conversions, four at a time ---
  static void f16_to_f32(const std::uint16_t* in, float* out) {
    vst1q_f32(out, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(in))));
  }
  static void f32_to_f16(const float* in, std::uint16_t* out) {
    vst1_u16(out, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(in))));
  }
  static void bf16_to_f32(const std::uint16_t* in, float* out) {
    vst1q_f32(out, vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(in), 16)));
  }
  static void f32_to_bf16(const float* in, std::uint16_t* out) {
    const float32x4_t values = vld1q_f32(in);
    const uint32x4_t bits = vreinterpretq_u32_f32(values);
    const uint32x4_t even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7FFF)), even);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x00400000));
    const uint32x4_t number = vceqq_f32(values, values);
    vst1_u16(out, vshrn_n_u32(vbslq_u32(number, rounded, quiet), 16));
  }

 protected:
  // one.h's code_distance(), the same operations in the same order, for four codes and their inner products.
  static void finish_four(const CodeQuery& query, const std::byte* const (&codes)[4], int32x4_t products,
                          float* out) {
    static_assert(offsetof(CodeHeader, norm2) == 0 && offsetof(CodeHeader, scale) == 4 &&
                  offsetof(CodeHeader, offset) == 8 && offsetof(CodeHeader, sum) == 12);
    float32x4_t header[4];
    for (int j = 0; j < 4; ++j) {
      header[j] = vreinterpretq_f32_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(codes[j])));
    }
    // From a header a register to a term a register.
    const float32x4_t norm_offset01 = vtrn1q_f32(header[0], header[1]);
    const float32x4_t norm_offset23 = vtrn1q_f32(header[2], header[3]);
    const float32x4_t scale_sum01 = vtrn2q_f32(header[0], header[1]);
    const float32x4_t scale_sum23 = vtrn2q_f32(header[2], header[3]);
    const float32x4_t norm2 = first_halves(norm_offset01, norm_offset23);
    const float32x4_t offset = second_halves(norm_offset01, norm_offset23);
    const float32x4_t scale = first_halves(scale_sum01, scale_sum23);
    const float32x4_t sum = second_halves(scale_sum01, scale_sum23);

    const float32x4_t scaled =
        vmulq_f32(vmulq_f32(vdupq_n_f32(query.product_weight), scale), vcvtq_f32_s32(products));
    const float32x4_t norm =
        vaddq_f32(vdupq_n_f32(query.bias), vmulq_f32(vdupq_n_f32(query.norm2_weight), norm2));
    const float32x4_t affine = vaddq_f32(vmulq_f32(vdupq_n_f32(query.offset_weight), offset),
                                         vmulq_f32(vdupq_n_f32(query.sum_weight), sum));
    const float32x4_t distances = vaddq_f32(vaddq_f32(norm, scaled), affine);
    vst1q_f32(out, vminnmq_f32(distances, vdupq_n_f32(kLargestFloat)));  // a number rather than NaN
  }

 private:
  static int32x4_t add_pairs(int32x4_t sum, uint16x8_t squares) {
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sum), squares));
  }
  static float32x4_t first_halves(float32x4_t a, float32x4_t b) {
    return vreinterpretq_f32_f64(vtrn1q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
  }
  static float32x4_t second_halves(float32x4_t a, float32x4_t b) {
    return vreinterpretq_f32_f64(vtrn2q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
  }
};

}  // namespace
}  // namespace engram::simd
