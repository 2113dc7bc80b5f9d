// The write-ahead log: records appended through a ring, written and synced by whoever must wait (leader
// commit), kept in segment files, read back at open.
//
// Thread-safety: append(), wait_durable(), flush() and the counters from any thread; open(), close() and
// drop_below() from one.
//
// Invariants:
//  (1) A record's LSN is its logical byte position among all records ever appended (headers of groups and
//      segments do not count); LSNs grow, are multiples of 8, begin at 8 (0 is no record's) and are never
//      reused.
//  (2) append() returns only after write(2) has taken the record, and under Sync::kAlways only after it is
//      on stable storage.
//  (3) on_commit sees every committed record exactly once, in LSN order, before its append() returns; a
//      record whose write or sync failed is never seen.
//  (4) After a failed write or sync nothing more is accepted (DurabilityError) and synced_lsn() stays.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/histogram.h"
#include "wal/types.h"

namespace engram::wal {

struct Options {
  Sync sync = Sync::kAlways;
  std::chrono::milliseconds interval{50};
  std::uint64_t segment_bytes = 64u << 20;
  std::size_t ring_bytes = 16u << 20;  // also bounds one record: at most half of it
  bool read_only = false;              // recover in RAM, write nothing, take no segment
};

struct Stats {
  std::uint64_t records = 0;
  std::uint64_t groups = 0;
  std::uint64_t bytes = 0;
  std::uint64_t syncs = 0;
  std::uint64_t sync_nanoseconds = 0;
  std::uint64_t largest_group = 0;  // records
  std::uint64_t ring_bytes_used = 0;
  std::uint64_t segments = 0;
};

class Log {
 public:
  // Creates the folder or recovers it: replays every record with lsn >= `from` that the files hold, in order,
  // then (unless read_only) syncs what was found and starts a fresh segment.
  // Errors: CorruptionError (also when the files hold less than `from`), UnsupportedFormat, OutOfSpace,
  // IoError, InvalidInput (options); what `replay` throws.
  static std::unique_ptr<Log> open(FileSystem& files, const Path& folder, const Options& options, Lsn from,
                                   const Replay& replay, Commit on_commit);
  virtual ~Log() = default;

  // Appends one record; returns its LSN once `sync` (default: the log's own) is satisfied.
  // Errors: InvalidInput (too large), DurabilityError, OutOfSpace (nothing written), StoreClosed,
  // ReadOnlyStore.
  virtual Lsn append(Bytes payload, std::optional<Sync> sync, std::uint64_t context) = 0;

  // Waits until the record at `lsn` is on stable storage, syncing where the mode would not.
  // False when `timeout` passed before. A sync that it started itself is not cut short.
  // Errors: DurabilityError, InvalidInput (no such record yet).
  virtual bool wait_durable(Lsn lsn, std::optional<std::chrono::nanoseconds> timeout) = 0;
  virtual void flush() = 0;  // wait_durable for all appended so far
  // Removes the segment files all of whose records are below `lsn`, which whoever reads the log has applied
  // and made durable; what is not synced is kept in any case. Of the files, `spare_bytes` in all stay to be
  // written over by later segments.
  virtual void drop_below(Lsn /*lsn*/, std::uint64_t /*spare_bytes*/) {}
  virtual Lsn end_lsn() const = 0;     // where the next record will go
  virtual Lsn synced_lsn() const = 0;  // all below is on stable storage
  virtual bool failed() const = 0;
  virtual Stats stats() const = 0;
  virtual Histogram::Snapshot sync_times() const { return {}; }  // nanoseconds
  virtual void close() = 0;  // syncs, joins the interval thread; append() throws StoreClosed from then on
  // For the child side of a fork alone: lets go of everything without touching files or threads.
  virtual void abandon() noexcept = 0;
};

}  // namespace engram::wal
