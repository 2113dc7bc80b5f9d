// Rows grouped into lists of near ones, each of bounded size: what the cold tier's inverted lists are.
//
// Thread-safety: a pure function that uses threads of its own.
//
// Invariants: every row is in exactly one list; no list is empty or longer than asked for; with the same seed
// and rows the result is the same, whatever the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/system_vector.h"
#include "tier/types.h"

namespace engram::tier {

struct Clusters {
  SystemVector<std::uint32_t> order;  // the rows, list after list; neighbouring lists are near each other
  std::vector<std::uint32_t> ends;    // where in `order` each list ends
  SystemVector<float> centroids;      // dim floats a list: the mean of its rows (of unit length under cosine)
};

Clusters cluster(std::span<const RowIn> rows, const Shape& shape, std::size_t longest,
                 const SealOptions& options);

}  // namespace engram::tier
