// Which of the slots that are there at one instant pass a filter: a bit each, where a label would have to be
// fetched from memory and looked up. Worth making for a batch of queries.
//
// Thread-safety: none changes it once it is made. Valid while one pin of the graph is held (Graph::pin), for
// until then no slot is used again.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hnsw/graph.h"

namespace engram::hnsw {

class Passing {
 public:
  // `passes(born)` is asked once for each slot.
  template <class Passes>
  Passing(const Graph& graph, const Passes& passes) : blocks_((graph.slots() + 63) / 64) {
    std::array<std::uint64_t, 64> born{};
    for (std::size_t block = 0; block < blocks_.size(); ++block) {
      const std::uint64_t there = graph.present_of(block, born);
      std::uint64_t passing = 0;
      for (std::uint64_t bits = there; bits != 0; bits &= bits - 1) {
        const int at = std::countr_zero(bits);
        passing |= std::uint64_t{passes(born[static_cast<std::size_t>(at)])} << at;
      }
      blocks_[block] = {there, passing};
    }
  }

  // Whether the slot was there.
  bool knows(Slot slot) const { return slot / 64 < blocks_.size() && bit(blocks_[slot / 64].there, slot); }
  // Whether it passes; for one that it knows.
  bool operator()(Slot slot) const { return bit(blocks_[slot / 64].passing, slot); }

 private:
  struct Block {
    std::uint64_t there = 0;
    std::uint64_t passing = 0;
  };
  static bool bit(std::uint64_t bits, Slot slot) { return (bits >> (slot % 64) & 1) != 0; }

  std::vector<Block> blocks_;
};

}  // namespace engram::hnsw
