// The live recall probe: now and then a recall leaves its cue here; a thread that has time for it answers the
// cue exactly, and what the two answers have in common is counted.
//
// Thread-safety: all of it, from any thread; offer() never waits.
//
// Invariants: the estimate is that of the last kRemembered cues.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/waits.h"

namespace engram::engine {

class Probe {
 public:
  static constexpr std::size_t kNearest = 10;
  static constexpr std::size_t kRemembered = 1000;

  struct Cue {
    std::vector<float> vector;
    std::size_t ef = 0;
  };

  // What share of the truly nearest the recalls find, between `low` and `high` with 95 % confidence.
  struct Estimate {
    std::size_t cues = 0;
    double recall = 0;
    double low = 0;
    double high = 1;
  };

  // For every recall: whether somebody waits for a cue; nearly always not.
  bool wanted() const { return wanted_.load(std::memory_order_relaxed); }
  void offer(const float* vector, std::size_t dim, std::size_t ef);

  // The next cue, or nothing: `timeout` passed before, or stop() was called.
  std::optional<Cue> wait(Seconds timeout);
  void stop();

  // Of the `nearest` (at most kNearest) that a recall should have found, it found `found`.
  void add(std::size_t found, std::size_t nearest);
  Estimate estimate() const;

 private:
  struct Result {
    double found;
    double nearest;
  };

  std::atomic<bool> wanted_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Cue> cue_;
  bool stopping_ = false;
  std::vector<Result> results_;  // a ring, once it is full
  std::size_t next_ = 0;
};

}  // namespace engram::engine
