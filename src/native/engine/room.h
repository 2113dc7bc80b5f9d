// Back-pressure: how much the queue may hold, in memories and in bytes, and the line of callers that wait for
// room in it.
//
// Thread-safety: all of it, from any thread.
//
// Invariants:
//  (1) What is taken never exceeds a capacity, but for a single taker in an otherwise empty queue, and for
//      what hold() keeps there.
//  (2) Room is given in the order in which callers began to wait, so a large taker is not passed for ever by
//      small ones.
//  (3) A caller that gives up has taken nothing.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>

#include "engine/waits.h"

namespace engram::engine {

struct Load {
  std::size_t memories = 0;
  std::size_t bytes = 0;
};

class Room {
 public:
  explicit Room(Load capacity) : capacity_(capacity) {}

  // Takes room, or false: `timeout` passed before, or interrupt() was called. `between` runs now and then
  // without a lock; it may throw to give up. Errors: StoreClosed once close() was called.
  bool take(Load load, std::optional<Seconds> timeout, const std::function<void()>& between);
  bool try_take(Load load);
  void give_back(Load load);
  // Keeps room that is taken already beyond its giver's return: may pass the capacity for that moment.
  void hold(Load load);

  // Makes all who wait give up, so that they see why.
  void interrupt();
  void close();

  Load capacity() const { return capacity_; }
  Load taken() const;
  Load most() const;  // that was ever taken

 private:
  struct Waiting {
    std::uint64_t interrupts;
  };
  bool fits(Load load) const;
  void add(Load load);

  const Load capacity_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiting> line_;
  Load taken_;
  Load most_;
  std::uint64_t interrupts_ = 0;
  bool closed_ = false;
};

}  // namespace engram::engine
