// The kernels' arithmetic on one element or one result, for the ends of vectors: every instruction set's file
// includes it and compiles it for itself, hence the anonymous namespace.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>

#include "simd/kernels.h"

namespace engram::simd {
namespace {

constexpr float kLargestFloat = 3.402823466e+38f;

// 1 - dot / sqrt(|a|^2 |b|^2). In double, where the product of two floats is exact and in range: equal
// vectors have distance 0, and neither huge nor tiny ones lose anything.
[[maybe_unused]] inline float cosine_distance(float dot, float a_norm2, float b_norm2) {
  const double norms2 = static_cast<double>(a_norm2) * static_cast<double>(b_norm2);
  if (norms2 == 0.0) return 1.0f;
  const double distance = 1.0 - static_cast<double>(dot) / __builtin_sqrt(norms2);
  return static_cast<float>(distance < 0.0 ? 0.0 : distance > 2.0 ? 2.0 : distance);
}

// CodeQuery's expression, in the order of operations that every table follows to the bit (so the files are
// compiled without contraction into fused operations: flags.cmake).
[[maybe_unused]] inline float code_distance(const CodeQuery& query, const CodeHeader& header,
                                            std::int32_t product) {
  const float scaled = (query.product_weight * header.scale) * static_cast<float>(product);
  const float norm = query.bias + query.norm2_weight * header.norm2;
  const float affine = query.offset_weight * header.offset + query.sum_weight * header.sum;
  const float distance = (norm + scaled) + affine;
  return distance < kLargestFloat ? distance : kLargestFloat;
}

[[maybe_unused]] inline float f32_from_f16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7FFFu;
  if (magnitude >= 0x7C00u) {  // infinity, or a NaN made quiet
    const std::uint32_t quiet = magnitude > 0x7C00u ? 0x00400000u : 0u;
    return __builtin_bit_cast(float, sign | 0x7F800000u | (magnitude & 0x3FFu) << 13 | quiet);
  }
  if (magnitude >= 0x0400u) return __builtin_bit_cast(float, sign | ((magnitude << 13) + 0x38000000u));
  const float tiny = static_cast<float>(magnitude) * 0x1p-24f;
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(std::uint32_t, tiny));
}

[[maybe_unused]] inline std::uint16_t f16_from_f32(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u)
    return static_cast<std::uint16_t>(sign | 0x7E00u | ((magnitude >> 13) & 0x3FFu));
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // 2^16 and more
  if (magnitude < 0x38800000u) {  // below 2^-14: one unit of 0.5 in float32 is the step of half's subnormals
    const float rounded = __builtin_bit_cast(float, magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (__builtin_bit_cast(std::uint32_t, rounded) - 0x3F000000u));
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

[[maybe_unused]] inline float f32_from_bf16(std::uint16_t half) {
  return __builtin_bit_cast(float, std::uint32_t{half} << 16);
}

[[maybe_unused]] inline std::uint16_t bf16_from_f32(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace
}  // namespace engram::simd
