// Which segments are due to be rewritten.
//
// Thread-safety: pure functions.
//
// Invariants: carried out again and again until nothing is due, it ends with at most kMostSegments a tier, of
// none of which a fifth or more is dead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tier/types.h"

namespace engram::engine {

// A recall looks into every segment.
inline constexpr std::size_t kMostSegments = 8;

struct SegmentSize {
  std::uint64_t number;
  tier::Kind kind;
  std::size_t rows;
  std::size_t dead;  // of the rows, those that need not be carried over
};

// The numbers of the segments, all of one kind, to be rewritten as one; none: nothing is due.
std::vector<std::uint64_t> next_compaction(std::span<const SegmentSize> segments);

}  // namespace engram::engine
