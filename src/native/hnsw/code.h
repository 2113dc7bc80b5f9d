// Affine 8-bit codes of vectors, and queries ready to be scored against them (the sums are in
// simd/kernels.h).
//
// A vector is coded after `shift` was taken from each of its elements: the l2 distance does not change by it,
// and the float32 terms of the score keep their digits where all values are large and near each other.
//
// Thread-safety: pure functions.
//
// Invariants: for any finite input whose squared length is finite no code or query holds a NaN; equal vectors
// have equal codes; a vector of equal elements has scale 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hnsw/metric.h"
#include "simd/kernels.h"

namespace engram::hnsw {

// What a vector is multiplied by and then shifted by before it is coded.
struct Coding {
  float factor = 1.0F;  // 1 / length under cosine
  float shift = 0.0F;
};

// The coding of one vector, where `shift` is that of all under l2.
Coding coding_of(const float* vector, std::size_t dim, Metric metric, float shift);

// Writes the header and `dim` bytes to `out`.
void encode(const float* vector, std::size_t dim, Coding coding, std::byte* out);

// Prepares a vector as a query; `values` has room for `dim` and is referred to by the result.
simd::CodeQuery encode_query(const float* vector, std::size_t dim, Coding coding, Metric metric,
                             std::int8_t* values);

// Prepares a code as a query, without loss.
simd::CodeQuery query_of_code(const std::byte* code, std::size_t dim, Metric metric, std::int8_t* values);

}  // namespace engram::hnsw
