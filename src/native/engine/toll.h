// How often whoever stores alone pauses, so that the queue, which every recall scans, stays short.
//
// Thread-safety: all of it, from any thread.
//
// Invariants: never more often than in two calls of five, so the median of a writer hardly changes; never
// while less than kFree memories are pending.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>

namespace engram::engine {

class Toll {
 public:
  // What the scan of so many costs a recall is lost in the noise.
  static constexpr std::size_t kFree = 128;
  // From here on two calls of five pause; below, the fewer the less is pending: the queue comes to rest where
  // the indexer just keeps up.
  static constexpr std::size_t kFull = 512;
  // With the 50 us and more that a system adds to short sleeps, what two insertions take.
  static constexpr std::chrono::microseconds kPause{150};

  // Whether this call, which finds `pending` memories, has to pause.
  bool is_due(std::size_t pending) {
    if (pending < kFree) return false;
    const std::size_t share = std::min(pending, kFull);
    return paid_.fetch_add(share, std::memory_order_relaxed) % kPrice + share >= kPrice;
  }

 private:
  static constexpr std::size_t kPrice = 5 * kFull / 2;

  std::atomic<std::size_t> paid_{0};  // in shares; a pause costs kPrice
};

}  // namespace engram::engine
