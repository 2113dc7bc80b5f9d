// The three metrics, as distances: smaller is nearer, in the convention of hnswlib and FAISS.
#pragma once

#include <cstdint>

namespace engram::hnsw {

enum class Metric : std::uint8_t {
  kCosine = 0,  // 1 - cos
  kL2 = 1,      // squared Euclidean distance
  kIp = 2,      // 1 - inner product
};

}  // namespace engram::hnsw
