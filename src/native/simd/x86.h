// What the x86 tables share: the end of score_codes, four distances at a time.
//
// Thread-safety: pure functions.
#pragma once

#include <immintrin.h>

#include "simd/one.h"

namespace engram::simd {
namespace {

// one.h's code_distance(), the same operations in the same order, for four codes and their inner products.
[[gnu::always_inline]] inline void finish_four(const CodeQuery& query, const std::byte* const (&codes)[4],
                                               __m128i products, float* out) {
  static_assert(offsetof(CodeHeader, norm2) == 0 && offsetof(CodeHeader, scale) == 4 &&
                offsetof(CodeHeader, offset) == 8 && offsetof(CodeHeader, sum) == 12);
  __m128 norm2 = _mm_loadu_ps(reinterpret_cast<const float*>(codes[0]));
  __m128 scale = _mm_loadu_ps(reinterpret_cast<const float*>(codes[1]));
  __m128 offset = _mm_loadu_ps(reinterpret_cast<const float*>(codes[2]));
  __m128 sum = _mm_loadu_ps(reinterpret_cast<const float*>(codes[3]));
  _MM_TRANSPOSE4_PS(norm2, scale, offset, sum);  // from a header a register to a term a register
  const __m128 scaled =
      _mm_mul_ps(_mm_mul_ps(_mm_set1_ps(query.product_weight), scale), _mm_cvtepi32_ps(products));
  const __m128 norm = _mm_add_ps(_mm_set1_ps(query.bias), _mm_mul_ps(_mm_set1_ps(query.norm2_weight), norm2));
  const __m128 affine = _mm_add_ps(_mm_mul_ps(_mm_set1_ps(query.offset_weight), offset),
                                   _mm_mul_ps(_mm_set1_ps(query.sum_weight), sum));
  const __m128 distances = _mm_add_ps(_mm_add_ps(norm, scaled), affine);
  // minps gives its second operand when the first is not a number
  _mm_storeu_ps(out, _mm_min_ps(distances, _mm_set1_ps(kLargestFloat)));
}

}  // namespace
}  // namespace engram::simd
