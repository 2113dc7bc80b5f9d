// Leader commit: the first writer that must wait writes, and syncs if any of them asks for it, for all who
// wait, and hands over.
//
// Thread-safety: all of it, from any thread.
//
// Invariants:
//  (1) One leader at a time; whoever finds none becomes it, and a leader that leaves while records wait
//      passes the office to the first of them. So a published record never waits without a leader on its
//      way.
//  (2) LSNs are given by the leader when it has room for a group: a group refused for want of space takes
//      none.
//  (3) on_commit sees a group after its write, and its sync if any of its records asked for one,
//      succeeded, before any of its writers returns; never after the log failed.
//  (4) A lone writer never waits for company, but once after others have left.
//  (5) While the seat is open for those expected, a writer watches that leads when they do not come in time.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "wal/health.h"
#include "wal/patience.h"
#include "wal/ring.h"
#include "wal/seat.h"
#include "wal/segments.h"
#include "wal/syncer.h"
#include "wal/waiter.h"

namespace engram::wal {

class Committer {
 public:
  Committer(Segments& segments, Syncer& syncer, Health& health, std::size_t ring_bytes, Lsn end,
            Commit on_commit);

  // Errors: InvalidInput (too large), DurabilityError, OutOfSpace.
  Lsn append(Bytes payload, Sync sync, std::uint64_t context);
  // With no append() under way or to come: says in the file that all is synced, so that damage to the last
  // group is known for what it is. Only adds evidence: its failure is nobody's.
  void seal() noexcept;
  Lsn end() const { return end_.load(std::memory_order_acquire); }
  const Ring& ring() const { return ring_; }

  std::uint64_t records() const { return records_.load(std::memory_order_relaxed); }
  std::uint64_t groups() const { return groups_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t largest_group() const { return largest_group_.load(std::memory_order_relaxed); }

 private:
  void lead() noexcept;
  bool sit();
  bool gather(Waiter& self);
  // Ordered as Ring::arrived(); what is expected changes only while somebody sits.
  bool all_here() const { return ring_.arrived() >= expected_.load(std::memory_order_relaxed); }
  Waiter* collect(const Ring::Run& run);
  Outcome commit(const Ring::Run& run, Waiter* waiters);
  Segment* make_room(std::size_t bytes, Outcome& refusal);
  void place(const Ring::Run& run, Waiter* waiters, const Segment& segment);
  void hand_over();
  void tell(Waiter* waiters, Outcome outcome);

  Segments& segments_;
  Syncer& syncer_;
  Health& health_;
  const Commit on_commit_;
  Ring ring_;
  Bells bells_;
  alignas(64) Seat seat_;
  std::atomic<std::uint64_t> expected_{0};  // records worth waiting for a moment; told by who sits
  std::atomic<std::uint32_t> takes_{0};     // groups taken so far; the next rings bell takes_ % kCount
  std::atomic<std::uint32_t> comers_{0};    // each has the next mark
  std::atomic<Lsn> end_;

  // The leader's own.
  std::array<std::byte, kGroupHeaderBytes> header_;
  std::vector<Record> group_;
  bool sync_ = false;  // the group asked for one
  Patience patience_;

  std::atomic<std::uint64_t> records_{0};
  std::atomic<std::uint64_t> groups_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> largest_group_{0};
};

}  // namespace engram::wal
