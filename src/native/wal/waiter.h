// A writer in append(): what it asked for and what became of it; and the bells that wake many of them at
// once.
//
// Waking sixteen writers one by one takes sixteen calls to the system; those of one group mostly sleep on one
// bell, and are woken by one.
//
// A waiter lies on its writer's stack and is gone as soon as the writer has seen its outcome: nothing may
// touch it after tell().
//
// Thread-safety: a waiter's fields belong to the writer until its record is published, then to the leader
// that takes the record, until tell(). Bells may be used from any thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "wal/park.h"
#include "wal/types.h"

namespace engram::wal {

using Instant = std::chrono::steady_clock::time_point;

enum class Outcome : std::uint32_t {
  kWaiting,
  kAsleep,  // waiting, and its bell must be rung
  kLead,    // not an end: it is to lead now
  kCommitted,
  kFailed,
  kNoSpace,
};

class Bells {
 public:
  static constexpr std::size_t kCount = 4;

  // To be read before the condition that one goes to sleep on.
  std::uint32_t listen(std::size_t bell) const { return bells_[bell].load(std::memory_order_acquire); }
  // Returns when the bell was rung since `heard`, or now and then for no reason.
  void sleep(std::size_t bell, std::uint32_t heard, Marks marks) const { park(bells_[bell], heard, marks); }
  void sleep_until(std::size_t bell, std::uint32_t heard, Marks marks, Instant until) const {
    park_until(bells_[bell], heard, until, marks);
  }
  // Wakes those who bear one of the marks.
  void ring(std::size_t bell, Marks marks) {
    bells_[bell].fetch_add(1, std::memory_order_release);
    unpark(bells_[bell], marks);
  }

 private:
  std::array<std::atomic<std::uint32_t>, kCount> bells_{};
};

struct Waiter {
  Sync sync = Sync::kAlways;
  std::uint64_t context = 0;
  std::size_t bell = 0;    // a guess at its group's; a wrong one costs a call to the system
  Marks mark = kAllMarks;  // its own, to wake it alone
  Lsn lsn = 0;
  Waiter* next = nullptr;  // in its group
  std::atomic<Outcome> outcome{Outcome::kWaiting};

  // Whether it sleeps and must be rung for.
  bool tell(Outcome value) { return outcome.exchange(value, std::memory_order_acq_rel) == Outcome::kAsleep; }

  // Returns once told, or kAsleep when `until` passed before.
  Outcome wait(const Bells& bells, std::optional<Instant> until = std::nullopt) {
    std::uint32_t heard = bells.listen(bell);
    Outcome seen = Outcome::kWaiting;
    outcome.compare_exchange_strong(seen, Outcome::kAsleep, std::memory_order_acq_rel);
    while ((seen = outcome.load(std::memory_order_acquire)) == Outcome::kAsleep) {
      if (!until) {
        bells.sleep(bell, heard, mark);
      } else if (std::chrono::steady_clock::now() < *until) {
        bells.sleep_until(bell, heard, mark, *until);
      } else {
        return seen;
      }
      heard = bells.listen(bell);
    }
    return seen;
  }
  void wait_again() { outcome.store(Outcome::kWaiting, std::memory_order_relaxed); }
};

}  // namespace engram::wal
