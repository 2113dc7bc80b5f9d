// What the hot tier keeps beside the graph for each slot: the id, the confidence and how alive it is.
//
// Thread-safety: set() for different slots at once; at() for any slot whose set() happened before (the graph
// shows a slot only afterwards) and while the graph cannot use that slot again. The activation from any
// thread.
//
// Invariants: rows never move.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/activation.h"
#include "hnsw/graph.h"

namespace engram::engine {

struct HotRow {
  std::string id;
  double confidence = 1.0;
  mutable SharedActivation activation{0};
};

class HotRows {
 public:
  HotRows() : chunks_(kChunks) {}

  void set(hnsw::Slot slot, std::string_view id, double confidence, Activation activation) {
    HotRow& row = chunk(slot / kChunkRows)[slot % kChunkRows];
    row.id.assign(id);
    row.confidence = confidence;
    row.activation.store(activation.bits(), std::memory_order_relaxed);
  }

  const HotRow& at(hnsw::Slot slot) const {
    return chunks_[slot / kChunkRows].load(std::memory_order_acquire)[slot % kChunkRows];
  }

  // With no reader left.
  void clear() {
    chunks_ = std::vector<std::atomic<HotRow*>>();
    owned_.clear();
  }

 private:
  static constexpr std::size_t kChunkRows = 4096;
  // Covers the 2^28 slots that a graph of a few hundred bytes a node can hold in 100 GB.
  static constexpr std::size_t kChunks = (std::size_t{1} << 28) / kChunkRows;

  HotRow* chunk(std::size_t number) {
    if (HotRow* there = chunks_.at(number).load(std::memory_order_acquire)) return there;
    const std::lock_guard lock(mutex_);
    if (HotRow* there = chunks_[number].load(std::memory_order_relaxed)) return there;
    owned_.push_back(std::make_unique<HotRow[]>(kChunkRows));
    chunks_[number].store(owned_.back().get(), std::memory_order_release);
    return owned_.back().get();
  }

  std::vector<std::atomic<HotRow*>> chunks_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HotRow[]>> owned_;
};

}  // namespace engram::engine
