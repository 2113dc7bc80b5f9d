// Who is recalling: tells when every recall that began before some moment has ended.
//
// Thread-safety: enter() / leave() from any thread; advance() from one thread at a time.
//
// Invariants: after advance() has returned true twice, every recall that had begun before the first of the
// two calls has ended. (Two phases, each counting its own readers: the scheme of sleepable RCU, McKenney
// 2006.)
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>

#include "base/per_thread.h"

namespace engram::engine {

class Readers {
 public:
  class Reading {
   public:
    explicit Reading(Readers& readers) : counter_(readers.enter()) {}
    ~Reading() {
      if (counter_ != nullptr) counter_->fetch_sub(1, std::memory_order_release);
    }
    Reading(Reading&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
    Reading& operator=(Reading&&) = delete;
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    std::atomic<std::uint64_t>* counter_;
  };

  // Waits until every reader that is there now has left.
  void wait_until_gone() {
    for (int turns = 0; turns < 2;) {
      if (advance()) {
        ++turns;
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }

  // Moves to the other phase once that one's readers are gone; false while some are left.
  bool advance() {
    const std::uint32_t next = 1 - phase_.load(std::memory_order_relaxed);
    for (const Stripe& stripe : stripes_) {
      if (stripe.active[next].load(std::memory_order_seq_cst) != 0) return false;
    }
    phase_.store(next, std::memory_order_seq_cst);
    return true;
  }

 private:
  // Readers of different threads count on different cache lines.
  struct alignas(64) Stripe {
    std::array<std::atomic<std::uint64_t>, 2> active{};
  };
  static constexpr std::size_t kStripes = 16;

  std::atomic<std::uint64_t>* enter() {
    const std::size_t mine = thread_number() % kStripes;
    for (;;) {
      const std::uint32_t phase = phase_.load(std::memory_order_seq_cst);
      std::atomic<std::uint64_t>* counter = &stripes_[mine].active[phase];
      counter->fetch_add(1, std::memory_order_seq_cst);
      // An advance in between may have missed this reader: count again in the phase that is now.
      if (phase_.load(std::memory_order_seq_cst) == phase) return counter;
      counter->fetch_sub(1, std::memory_order_release);
    }
  }

  std::atomic<std::uint32_t> phase_{0};
  std::array<Stripe, kStripes> stripes_{};
};

}  // namespace engram::engine
