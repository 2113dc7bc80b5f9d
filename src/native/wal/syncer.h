// Makes the log durable up to an LSN: one sync at a time, shared by all who wait for it; at an interval by a
// thread of its own, for records that asked for that.
//
// Thread-safety: add() and wrote() from the leader alone; the rest from any thread.
//
// Invariants:
//  (1) synced() never exceeds what was written before a sync that succeeded began, and never shrinks.
//  (2) Syncs never overlap. The system reports a lost write to one sync only: a second one, running beside
//      it, would succeed and call durable what is gone.
//  (3) A failed sync is never repeated: the log has failed with it.
//  (4) The thread sleeps while everything is synced, and is started when first needed.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/histogram.h"
#include "wal/health.h"
#include "wal/segment.h"

namespace engram::wal {

class Syncer {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  // `end`: all below is on stable storage already.
  Syncer(Health& health, std::chrono::milliseconds interval, Lsn end);
  ~Syncer();
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  // From now on records go to this segment as well; before anything is written to it.
  void add(std::shared_ptr<Segment> segment);
  // All below `end` has been given to the system.
  void wrote(Lsn end) { written_.store(end, std::memory_order_release); }
  Lsn written() const { return written_.load(std::memory_order_acquire); }
  Lsn synced() const { return synced_.load(std::memory_order_acquire); }

  // Returns once all below `end` (no further than written()) is synced; false when `deadline` passed before.
  // Errors: DurabilityError.
  bool sync_to(Lsn end, Deadline deadline = std::nullopt);

  // Starts the thread if it is not there yet.
  void start_interval();
  // Something was written that the thread should sync within the interval.
  void wake_interval();
  void stop_interval();

  std::chrono::nanoseconds last_took() const {
    return std::chrono::nanoseconds(last_took_.load(std::memory_order_relaxed));
  }
  std::uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  std::uint64_t nanoseconds() const { return nanoseconds_.load(std::memory_order_relaxed); }
  Histogram::Snapshot times() const { return times_.snapshot(); }  // in nanoseconds

 private:
  void sync_once(std::unique_lock<std::mutex>& lock);
  void run_interval();

  Health& health_;
  const std::chrono::milliseconds interval_;
  std::atomic<Lsn> written_;
  std::atomic<Lsn> synced_;
  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<std::uint64_t> nanoseconds_{0};
  std::atomic<std::int64_t> last_took_{0};
  Histogram times_;

  std::mutex mutex_;
  std::condition_variable done_;
  bool busy_ = false;
  std::vector<std::shared_ptr<Segment>> unsynced_;  // the last one is being written

  std::mutex interval_mutex_;
  std::condition_variable interval_changed_;
  bool stopping_ = false;
  std::atomic<bool> due_{false};
  std::thread thread_;
};

}  // namespace engram::wal
