#include "wal/syncer.h"

#include <exception>
#include <utility>

#include "base/error.h"

namespace engram::wal {

using Clock = std::chrono::steady_clock;

Syncer::Syncer(Health& health, std::chrono::milliseconds interval, Lsn end)
    : health_(health), interval_(interval), written_(end), synced_(end) {}

Syncer::~Syncer() {
  stop_interval();
}

void Syncer::add(std::shared_ptr<Segment> segment) {
  const std::lock_guard lock(mutex_);
  unsynced_.push_back(std::move(segment));
}

bool Syncer::sync_to(Lsn end, Deadline deadline) {
  if (synced() >= end) return true;
  std::unique_lock lock(mutex_);
  while (synced() < end) {
    health_.check();
    if (deadline && Clock::now() >= *deadline) return false;
    if (!busy_) {
      sync_once(lock);
    } else if (!deadline) {
      done_.wait(lock);
    } else {
      done_.wait_until(lock, *deadline);
    }
  }
  return true;
}

void Syncer::sync_once(std::unique_lock<std::mutex>& lock) {
  busy_ = true;
  // In this order: what is below `end` lies in the segments of the copy.
  const Lsn end = written();
  const std::vector<std::shared_ptr<Segment>> segments = unsynced_;
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  try {
    for (const std::shared_ptr<Segment>& segment : segments) segment->sync();
    segments.back()->check_named();  // an earlier one may be all synced, and dropped at this moment
  } catch (const std::exception& error) {
    health_.fail(error.what());
  }
  const auto took = static_cast<std::uint64_t>((Clock::now() - begin).count());
  nanoseconds_.fetch_add(took, std::memory_order_relaxed);
  last_took_.store(static_cast<std::int64_t>(took), std::memory_order_relaxed);
  times_.record(took);
  syncs_.fetch_add(1, std::memory_order_relaxed);
  lock.lock();
  busy_ = false;
  if (!health_.failed()) {
    synced_.store(end, std::memory_order_release);
    unsynced_.erase(unsynced_.begin(), unsynced_.begin() + static_cast<std::ptrdiff_t>(segments.size()) - 1);
  }
  done_.notify_all();
}

void Syncer::start_interval() {
  const std::lock_guard lock(interval_mutex_);
  if (thread_.joinable() || stopping_) return;
  thread_ = std::thread([this] { run_interval(); });
}

void Syncer::wake_interval() {
  if (due_.exchange(true, std::memory_order_seq_cst)) return;
  const std::lock_guard lock(interval_mutex_);
  interval_changed_.notify_all();
}

void Syncer::stop_interval() {
  {
    const std::lock_guard lock(interval_mutex_);
    stopping_ = true;
    interval_changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Syncer::run_interval() {
  std::unique_lock lock(interval_mutex_);
  for (;;) {
    interval_changed_.wait(lock, [this] { return stopping_ || due_.load(std::memory_order_relaxed); });
    if (interval_changed_.wait_for(lock, interval_, [this] { return stopping_; })) return;
    due_.store(false, std::memory_order_seq_cst);  // what is written from here on makes it due again
    lock.unlock();
    try {
      sync_to(written());
    } catch (const DurabilityError&) {
      return;  // every writer learns it from health_
    }
    lock.lock();
  }
}

}  // namespace engram::wal
