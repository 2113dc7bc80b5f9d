// From labels to slots. Only slots are stored: the label is read from the graph.
//
// Thread-safety: every call from any thread; a shard's mutex is held for one look-up.
//
// Invariants: a label is in the map at most once; at most four fifths of a shard's places are taken.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "hnsw/graph.h"
#include "hnsw/slot.h"

namespace engram::hnsw {

class LabelMap {
 public:
  explicit LabelMap(const Graph& graph) : graph_(graph) {}

  // Puts the slot, whose label is graph.born(slot), in; returns the slot that had the label before, or
  // kNoSlot.
  Slot exchange(Slot slot);
  Slot find(std::int64_t label) const;
  // Takes the label out; returns its slot, or kNoSlot.
  Slot erase(std::int64_t label);
  std::size_t size() const;
  std::size_t memory_bytes() const;

 private:
  struct Shard {
    mutable std::mutex mutex;
    std::vector<Slot> places = std::vector<Slot>(8, kNoSlot);
    std::size_t count = 0;
  };
  static constexpr std::size_t kShards = 16;

  static std::uint64_t hash(std::uint64_t label);
  std::uint64_t hash_of(Slot slot) const { return hash(graph_.born(slot)); }
  Shard& shard(std::uint64_t hash) { return shards_[hash >> 60]; }
  const Shard& shard(std::uint64_t hash) const { return shards_[hash >> 60]; }
  // The place of the label, or the empty one where it would go.
  std::size_t place(const Shard& shard, std::uint64_t hash, std::uint64_t label) const;
  void grow(Shard& shard);

  const Graph& graph_;
  std::array<Shard, kShards> shards_;
};

}  // namespace engram::hnsw
