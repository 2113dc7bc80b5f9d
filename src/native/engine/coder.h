// The 8-bit codes that pending memories are scanned by, and how far the score of a code may be from the
// truth.
//
// Thread-safety: all of it, from any thread.
//
// Invariants:
//  (1) Codes of one coder can be scored against queries of that coder, whenever either was made.
//  (2) If the distance of a vector is at most `distance`, the score of its code is below
//      bound(query, extent, distance), for any extent that covers the code.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "hnsw/metric.h"
#include "simd/kernels.h"

namespace engram::engine {

// How large the codes of a set are at most, in the units of what was coded.
struct Extent {
  float step = 0;   // what a code's value is rounded by, twice
  float reach = 0;  // magnitude of an element
  float norm2 = 0;  // squared length

  void cover(const Extent& other);
};

class Coder {
 public:
  Coder(hnsw::Metric metric, std::size_t dim) : metric_(metric), dim_(dim) {}

  std::size_t code_bytes() const { return simd::kCodeHeaderBytes + dim_; }
  // Writes code_bytes() to `out`.
  void encode(const float* vector, std::byte* out);
  static Extent extent_of(const std::byte* code);

  struct Query {
    std::vector<std::byte> code;
    std::vector<std::int8_t> values;
    simd::CodeQuery terms{};
    Extent extent;
  };
  // Prepares a cue. Something must have been encoded before.
  void prepare(const float* cue, Query& query) const;
  float bound(const Query& query, const Extent& extent, float distance) const;

  float distance(const float* a, const float* b) const;

 private:
  float shift() const { return shift_.load(std::memory_order_acquire); }
  void encode_shifted(const float* vector, std::byte* out) const;

  const hnsw::Metric metric_;
  const std::size_t dim_;
  std::once_flag chosen_;
  std::atomic<float> shift_{0.0F};  // l2: fixed by the first vector, so that a common offset costs no digits
};

}  // namespace engram::engine
