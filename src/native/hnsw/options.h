// The graph's options, and when a slot counts as found.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hnsw/metric.h"

namespace engram::hnsw {

// A slot is inserted hidden or alive; whoever owns the graph moves its dead_at: kAlive, or the snapshot from
// which on it no longer counts.
inline constexpr std::uint64_t kHidden = 0;
inline constexpr std::uint64_t kAlive = ~std::uint64_t{0};
inline constexpr std::uint64_t kNow =
    kAlive - 1;  // the snapshot that sees every slot that is alive, whatever its label

enum class Scalar : std::uint8_t { kF32, kBf16, kF16 };  // how the full vectors are kept

struct Options {
  std::size_t dim = 0;
  Metric metric = Metric::kL2;
  std::size_t m = 16;  // links a node on the upper levels; twice as many on level 0
  std::size_t ef_construction = 200;
  std::uint64_t seed = 0x9E3779B97F4A7C15U;
  Scalar scalar = Scalar::kF32;
};

}  // namespace engram::hnsw
