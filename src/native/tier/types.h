// The words of this room: the rows of a segment, what is sealed into one, and what a search finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "hnsw/memory.h"
#include "hnsw/metric.h"

namespace engram::tier {

using Row = std::uint32_t;  // the number of a row in its segment, 0..rows() - 1
inline constexpr std::size_t kMaxRows = (std::size_t{1} << 30) - 1;
inline constexpr std::size_t kMaxIdLength = 65'535;  // bytes

enum class Kind : std::uint32_t { kWarm = 1, kCold = 2 };

// One memory to be sealed; what it points to stays valid during seal().
struct RowIn {
  std::uint64_t key = 0;
  std::uint64_t hash = 0;  // of the id, by the store's seed
  std::string_view id;
  double confidence = 1.0;
  const float* vector = nullptr;  // dim floats, finite, no zero vector under cosine
};

struct Shape {
  std::size_t dim = 0;
  hnsw::Metric metric = hnsw::Metric::kL2;
  std::size_t m = 16;  // of the graph of a warm segment
  std::size_t ef_construction = 200;
  std::uint64_t seed = 0;
};

struct SealOptions {
  std::size_t threads = 0;  // 0: one a processor
  // Called from the calling thread every few hundred rows, and after each write with how many bytes it took
  // to the file. May sleep (to keep a bandwidth limit) and may throw (to give up).
  std::function<void(std::uint64_t bytes)> breathe;
  // Where a graph that is built lies, which takes as much as the segment will; null: in RAM.
  hnsw::Backing* backing = nullptr;
};

struct Hit {
  float distance;
  Row row;
};

}  // namespace engram::tier
