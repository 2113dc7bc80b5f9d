// The records that are not in the catalog yet, in the order of the log: what their texts are read from.
//
// Thread-safety: all of it, from any thread; push() in the order of the log, from one at a time.
//
// Invariants: a visible memory's record is here, or was committed to the catalog before it left.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>

#include "engine/queue.h"
#include "engine/room.h"

namespace engram::engine {

class Uncommitted {
 public:
  void push(std::span<const std::shared_ptr<Chunk>> group) {
    const std::lock_guard lock(mutex_);
    for (const std::shared_ptr<Chunk>& chunk : group) {
      chunks_.push_back(chunk);
      load_.memories += chunk->weight();
      load_.bytes += chunk->payload.size();
    }
  }

  struct Found {
    std::shared_ptr<const Chunk> chunk;  // keeps the memory
    const PendingMemory* memory = nullptr;
  };
  Found find(std::uint64_t key) const {
    const std::lock_guard lock(mutex_);
    const auto at = std::lower_bound(
        chunks_.begin(), chunks_.end(), key,
        [](const std::shared_ptr<Chunk>& chunk, std::uint64_t wanted) { return chunk->last_key < wanted; });
    if (at == chunks_.end()) return {};
    const auto& memories = (*at)->memories;
    const auto memory =
        std::lower_bound(memories.begin(), memories.end(), key,
                         [](const PendingMemory& each, std::uint64_t wanted) { return each.key < wanted; });
    if (memory == memories.end() || memory->key != key) return {};
    return {*at, &*memory};
  }

  // All records whose keys are below `through`.
  Queue::Batch below(std::uint64_t through) const {
    const std::lock_guard lock(mutex_);
    Queue::Batch batch;
    for (const std::shared_ptr<Chunk>& chunk : chunks_) {
      if (chunk->last_key >= through) break;
      batch.chunks.push_back(chunk);
      batch.weight += chunk->weight();
      batch.through = chunk->last_key + 1;
    }
    return batch;
  }

  // Lets go of those. (The batch holds them: nothing is freed under the lock.)
  void drop(const Queue::Batch& batch) {
    const std::lock_guard lock(mutex_);
    while (!chunks_.empty() && chunks_.front()->last_key < batch.through) {
      load_.memories -= chunks_.front()->weight();
      load_.bytes -= chunks_.front()->payload.size();
      chunks_.pop_front();
    }
  }

  Load load() const {
    const std::lock_guard lock(mutex_);
    return load_;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    chunks_.clear();
    load_ = {};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<Chunk>> chunks_;
  Load load_;  // records' payloads
};

}  // namespace engram::engine
