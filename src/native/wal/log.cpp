#include "wal/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <random>
#include <string>
#include <utility>

#include "base/error.h"
#include "wal/commit.h"
#include "wal/park.h"
#include "wal/recovery.h"

namespace engram::wal {
namespace {

constexpr std::size_t kLargestRing = std::size_t{1}
                                     << 30;  // a record's length keeps clear of its highest bit
constexpr std::uint64_t kSmallestSegment = 4096;

std::uint64_t draw_log_id() {
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

std::string closed_sentence() {
  return "the log is closed: open the store again to write to it";
}

// Counts those inside, until it is shut.
class Gate {
 public:
  bool enter() {
    if ((state_.fetch_add(1, std::memory_order_acq_rel) & kShut) == 0) return true;
    leave();
    return false;
  }
  void leave() {
    if (state_.fetch_sub(1, std::memory_order_acq_rel) == (kShut | 1)) unpark(state_);  // by address only
  }
  // Returns once nobody is inside; true for the first to shut it.
  bool shut() {
    std::uint32_t state = state_.fetch_or(kShut, std::memory_order_acq_rel);
    const bool first = (state & kShut) == 0;
    for (state |= kShut; state != kShut; state = state_.load(std::memory_order_acquire)) {
      park(state_, state);
    }
    return first;
  }

 private:
  static constexpr std::uint32_t kShut = 0x80000000;
  std::atomic<std::uint32_t> state_{0};
};

class SegmentedLog final : public Log {
 public:
  SegmentedLog(FileSystem& files, const Path& folder, const Options& options, const Recovered& found,
               const SegmentHeader& next, Commit on_commit)
      : options_(options),
        state_(std::make_unique<State>(files, folder, options, found, next, std::move(on_commit))) {
    if (options.sync == Sync::kInterval) state_->syncer.start_interval();
  }

  ~SegmentedLog() override {
    if (!state_) return;
    try {
      close();
    } catch (const std::exception&) {  // who wants to know calls close() before
    }
  }

  Lsn append(Bytes payload, std::optional<Sync> sync, std::uint64_t context) override {
    State& state = open_state();
    if (!state.gate.enter()) throw StoreClosed(closed_sentence());
    const struct Leave {
      Gate& gate;
      ~Leave() { gate.leave(); }
    } leave{state.gate};
    const Sync mode = sync.value_or(options_.sync);
    if (mode == Sync::kInterval && options_.sync != Sync::kInterval) state.syncer.start_interval();
    return state.committer.append(payload, mode, context);
  }

  bool wait_durable(Lsn lsn, std::optional<std::chrono::nanoseconds> timeout) override {
    State& state = open_state();
    const Lsn end = state.committer.end();
    if (lsn >= end) {
      throw InvalidInput("LSN " + std::to_string(lsn) + " is not in the log yet, which ends at " +
                         std::to_string(end) + ": wait for one that store() returned");
    }
    Syncer::Deadline deadline;
    if (timeout) deadline = std::chrono::steady_clock::now() + *timeout;
    return state.syncer.sync_to(lsn + 1, deadline);
  }

  void flush() override {
    State& state = open_state();
    state.syncer.sync_to(state.committer.end());
  }

  void drop_below(Lsn lsn, std::uint64_t spare_bytes) override {
    State& state = open_state();
    state.segments.drop_below(std::min(lsn, state.syncer.synced()), spare_bytes);
  }

  Lsn end_lsn() const override { return open_state().committer.end(); }
  Lsn synced_lsn() const override { return open_state().syncer.synced(); }
  bool failed() const override { return open_state().health.failed(); }

  Stats stats() const override {
    const State& state = open_state();
    Stats stats;
    stats.records = state.committer.records();
    stats.groups = state.committer.groups();
    stats.bytes = state.committer.bytes();
    stats.largest_group = state.committer.largest_group();
    stats.syncs = state.syncer.syncs();
    stats.sync_nanoseconds = state.syncer.nanoseconds();
    stats.ring_bytes_used = state.committer.ring().used();
    stats.segments = state.segments.count();
    return stats;
  }

  Histogram::Snapshot sync_times() const override { return open_state().syncer.times(); }

  void close() override {
    State& state = open_state();
    if (!state.gate.shut()) return;
    state.syncer.stop_interval();
    state.syncer.sync_to(state.committer.end());
    state.committer.seal();
  }

  void abandon() noexcept override {
    if (!state_) return;
    state_->segments.abandon();
    // Its mutexes may be held and its threads waited for, by threads that are not here: nothing may end them.
    (void)state_.release();
  }

 private:
  struct State {
    State(FileSystem& files, const Path& folder, const Options& options, const Recovered& found,
          const SegmentHeader& next, Commit on_commit)
        : syncer(health, options.interval, found.end),
          segments(files, folder, std::max(options.segment_bytes, kSmallestSegment), found.kept, next,
                   syncer),
          committer(segments, syncer, health, options.ring_bytes, found.end, std::move(on_commit)) {}

    Gate gate;
    Health health;
    Syncer syncer;
    Segments segments;
    Committer committer;
  };

  State& open_state() const {
    if (!state_) throw StoreClosed("the log belongs to the process that this one was forked from");
    return *state_;
  }

  const Options options_;
  std::unique_ptr<State> state_;  // empty once abandoned
};

// What a log of read-only files can do: it was replayed, and that was all.
class ReadOnlyLog final : public Log {
 public:
  explicit ReadOnlyLog(const Recovered& found) : end_(found.end), segments_(found.kept.size()) {}

  Lsn append(Bytes, std::optional<Sync>, std::uint64_t) override {
    throw ReadOnlyStore("the store was opened with read_only=True: open it without to write to it");
  }
  bool wait_durable(Lsn, std::optional<std::chrono::nanoseconds>) override { return true; }
  void flush() override {}
  Lsn end_lsn() const override { return end_; }
  Lsn synced_lsn() const override { return end_; }
  bool failed() const override { return false; }
  Stats stats() const override {
    Stats stats;
    stats.segments = segments_;
    return stats;
  }
  void close() override {}
  void abandon() noexcept override {}

 private:
  Lsn end_;
  std::size_t segments_;
};

void check(const Options& options) {
  if (options.ring_bytes > kLargestRing) {
    throw InvalidInput("ring_bytes is " + std::to_string(options.ring_bytes) + ": at most " +
                       std::to_string(kLargestRing) + " are possible");
  }
}

void make_durable_folder(FileSystem& files, const Path& folder) {
  if (files.exists(folder)) return;
  files.make_folder(folder);
  files.sync_folder(folder.has_parent_path() ? folder.parent_path() : Path("."));
}

// Best done, not needed: a later segment supersedes them, so they are only in the way.
void remove_idle(FileSystem& files, const Path& folder, const Recovered& found) {
  for (const std::uint32_t sequence : found.idle) {
    try {
      files.remove(folder / segment_name(sequence));
    } catch (const IoError&) {
    }
  }
}

}  // namespace

std::unique_ptr<Log> Log::open(FileSystem& files, const Path& folder, const Options& options, Lsn from,
                               const Replay& replay, Commit on_commit) {
  check(options);
  if (options.read_only) return std::make_unique<ReadOnlyLog>(recover(files, folder, from, true, replay));
  make_durable_folder(files, folder);
  const Recovered found = recover(files, folder, from, false, replay);
  SegmentHeader next;
  next.log_id = found.fresh ? draw_log_id() : found.log_id;
  next.sequence = found.last_sequence + 1;
  next.previous = found.kept.empty() ? 0 : found.kept.back().sequence;
  next.base = found.end;
  next.synced = found.end;
  std::unique_ptr<Log> log;
  try {
    log = std::make_unique<SegmentedLog>(files, folder, options, found, next, std::move(on_commit));
  } catch (const IoError& error) {
    if (error.code != ENOSPC && error.code != EDQUOT) throw;
    throw OutOfSpace("the disk has no room for the next piece of the log (" + folder.string() +
                     "): nothing was lost; free some space and open the store again");
  }
  remove_idle(files, folder, found);
  return log;
}

}  // namespace engram::wal
