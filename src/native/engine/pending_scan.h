// The k nearest of the memories that wait in the queue: blocks of 8-bit codes are scored, and whatever the
// codes' error leaves in question is ranked on the full vectors. The answer is that of a scan of all vectors.
//
// Thread-safety: one object belongs to one thread; the blocks may grow meanwhile.
//
// Invariants: a memory is ranked only if it counts at the snapshot and no index shows it yet; one that is not
// among the k nearest of those is left out only because its code proves that it cannot be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/coder.h"
#include "engine/queue.h"

namespace engram::engine {

struct PendingHit {
  float distance;
  const PendingMemory* memory;
};

class PendingScan {
 public:
  PendingScan(const Coder& coder, const float* cue, std::uint64_t snapshot, std::size_t k);

  void scan(const Queue::Block& block);
  const std::vector<PendingHit>& nearest() const { return nearest_; }  // in no order
  std::size_t scored() const { return scored_; }
  std::size_t ranked() const { return ranked_; }

 private:
  bool full() const { return nearest_.size() == k_; }
  float bound(const Extent& extent) const;
  void rank_in_order(const Queue::Block& block, const Extent& extent, std::size_t count);
  void rank_below(const Queue::Block& block, const Extent& extent, std::size_t count);
  void rank(const PendingMemory& memory);

  const Coder& coder_;
  const float* const cue_;
  const std::uint64_t snapshot_;
  const std::size_t k_;
  std::vector<PendingHit> nearest_;  // a heap, the farthest on top
  std::size_t scored_ = 0;
  std::size_t ranked_ = 0;
};

}  // namespace engram::engine
