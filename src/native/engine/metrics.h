// How long what a store does takes, and how deep its queue is.
//
// Thread-safety: all of it, from any thread; nothing is locked.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/histogram.h"

namespace engram::engine {

// All in nanoseconds, but for the depth.
struct Metrics {
  Histogram store;           // calls that store or forget, from their wait for room to being visible
  Histogram index_lag;       // of each memory, from being visible to being in the index
  Histogram queue_depth;     // memories, seen by each group of records as it arrives
  Histogram recall;          // whole recalls
  Histogram recall_pending;  // the scan of what is pending
  Histogram recall_hot;      // the walk of the graph

  std::map<std::string, Histogram::Snapshot> snapshots() const {
    return {{"store", store.snapshot()},
            {"index_lag", index_lag.snapshot()},
            {"queue_depth", queue_depth.snapshot()},
            {"recall", recall.snapshot()},
            {"recall_pending", recall_pending.snapshot()},
            {"recall_hot", recall_hot.snapshot()}};
  }
};

inline std::uint64_t nanoseconds_since(std::chrono::steady_clock::time_point begin) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count());
}

// Records how long it lived.
class Timer {
 public:
  explicit Timer(Histogram& histogram) : histogram_(histogram) {}
  ~Timer() { histogram_.record(nanoseconds_since(begin_)); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  Histogram& histogram_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace engram::engine
