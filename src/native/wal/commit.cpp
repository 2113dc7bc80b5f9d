#include "wal/commit.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/scheduling.h"

namespace engram::wal {
namespace {

using Clock = std::chrono::steady_clock;

// What a writer leaves in the ring ahead of its payload: the leader turns it into a record header in place.
constexpr std::size_t kWaiterAt = 8;

Waiter* waiter_of(const std::byte* record) {
  return reinterpret_cast<Waiter*>(load_le<std::uintptr_t>(record + kWaiterAt));
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t more) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace

Committer::Committer(Segments& segments, Syncer& syncer, Health& health, std::size_t ring_bytes, Lsn end,
                     Commit on_commit)
    : segments_(segments),
      syncer_(syncer),
      health_(health),
      on_commit_(std::move(on_commit)),
      ring_(ring_bytes),
      end_(end) {
  group_.reserve(Ring::kMostRecords);
}

Lsn Committer::append(Bytes payload, Sync sync, std::uint64_t context) {
  if (record_bytes(payload.size()) > ring_.largest_record()) {
    throw InvalidInput("a record of " + std::to_string(payload.size()) + " bytes is too large for the log (" +
                       std::to_string(ring_.largest_record() - kRecordHeaderBytes) +
                       " at most): store it in smaller pieces");
  }
  health_.check();
  Waiter self;
  self.sync = sync;
  self.context = context;
  const std::uint32_t checksum = crc32c(0, payload);
  const std::size_t size = record_bytes(payload.size());
  const Ring::Place place = ring_.reserve(size);
  store_le(place.bytes, checksum);
  store_le(place.bytes + 4, static_cast<std::uint32_t>(payload.size()));
  store_le(place.bytes + kWaiterAt, reinterpret_cast<std::uintptr_t>(&self));
  std::byte* const body = place.bytes + kRecordHeaderBytes;
  if (!payload.empty()) std::memcpy(body, payload.data(), payload.size());
  std::memset(body + payload.size(), 0, size - kRecordHeaderBytes - payload.size());
  self.bell = takes_.load(std::memory_order_relaxed) % Bells::kCount;
  self.mark = Marks{1} << (comers_.fetch_add(1, std::memory_order_relaxed) % 32);
  ring_.publish(place);

  if (sit() && gather(self)) {
    lead();
  } else if (sync == Sync::kAlways) {
    take_short_turns();  // whoever stores alone sleeps for the disk only, and leaves recalls their turns
  }
  for (;;) {
    switch (self.wait(bells_)) {
      case Outcome::kLead:
        self.wait_again();
        if (gather(self)) lead();
        break;
      case Outcome::kCommitted:
        return self.lsn;
      case Outcome::kNoSpace:
        throw OutOfSpace("the disk has no room for the next piece of the log (" +
                         segments_.folder().string() +
                         "): nothing was written; free some space and store again");
      default:
        health_.check();
    }
  }
}

void Committer::lead() noexcept {
  const Ring::Run& run = ring_.take();
  if (run.records.empty()) return hand_over();  // an earlier reservation is still being filled
  takes_.fetch_add(1, std::memory_order_relaxed);
  Waiter* const waiters = collect(run);
  const Outcome outcome = commit(run, waiters);
  ring_.release();
  expected_.store(sync_ ? run.records.size() + ring_.arrived() : 0, std::memory_order_relaxed);
  hand_over();
  tell(waiters, outcome);
}

// Whether the caller leads now.
bool Committer::sit() {
  const Seat::Sat sat = seat_.take([this] { return all_here(); });
  if (sat == Seat::Sat::kAsLast) patience_.they_came();
  return sat != Seat::Sat::kNo;
}

// As many as there were when some were told a moment ago are likely to be here soon: waiting for them costs
// less than the sync they would otherwise need of their own. Whoever sits sleeps meanwhile, and the last to
// come leads in its place, with no switch to anybody. (Looking and yielding instead takes the processor from
// those one waits for, and gives it to whoever computes, for as long as the scheduler likes.)
// Whether the caller leads now.
bool Committer::gather(Waiter& self) {
  if (all_here()) return true;
  const std::chrono::nanoseconds took = syncer_.last_took();
  if (!patience_.wants_to_wait(took)) return true;
  const Instant until = Clock::now() + Patience::limit(took);
  const std::uint64_t opening = seat_.open();
  if (all_here()) return sit();  // who came before the seat was open did not take it
  const Outcome seen = self.wait(bells_, until);
  if (!seat_.retake(opening)) return false;
  // The seat was open until now, so the caller has to lead, even if it was told meanwhile: by the leader
  // before, who had its record, and tells its group after it has left the seat.
  if (seen == Outcome::kAsleep) patience_.they_did_not_come();
  return true;
}

// The waiters of a run, in its order; takes them out of the records, which then become what the file holds.
Waiter* Committer::collect(const Ring::Run& run) {
  sync_ = false;
  Waiter* first = nullptr;
  for (auto record = run.records.rbegin(); record != run.records.rend(); ++record) {
    Waiter* const waiter = waiter_of(*record);
    waiter->next = std::exchange(first, waiter);
    sync_ = sync_ || waiter->sync == Sync::kAlways;
  }
  return first;
}

Outcome Committer::commit(const Ring::Run& run, Waiter* waiters) {
  if (health_.failed()) return Outcome::kFailed;
  const std::size_t bytes = kGroupHeaderBytes + run.bytes;
  Outcome refusal = Outcome::kFailed;
  Segment* const segment = make_room(bytes, refusal);
  if (segment == nullptr) return refusal;
  place(run, waiters, *segment);
  const Lsn end = this->end() + run.bytes;
  try {
    const std::array<Bytes, 3> parts{header_, run.parts[0], run.parts[1]};
    segment->append(std::span(parts).first(run.parts[1].empty() ? 2 : 3), bytes);
    syncer_.wrote(end);
    if (sync_) syncer_.sync_to(end);
  } catch (const std::exception& error) {
    health_.fail(error.what());
  }
  if (health_.failed()) return Outcome::kFailed;
  end_.store(end, std::memory_order_release);
  for (const Waiter* waiter = waiters; !sync_ && waiter != nullptr; waiter = waiter->next) {
    if (waiter->sync == Sync::kInterval) syncer_.wake_interval();
  }
  add(records_, group_.size());
  add(groups_, 1);
  add(bytes_, bytes);
  largest_group_.store(std::max<std::uint64_t>(largest_group(), group_.size()), std::memory_order_relaxed);
  try {
    on_commit_(group_);
  } catch (const std::exception& error) {  // no memory: it is in the log, and the next open shows it
    health_.fail(error.what());
    return Outcome::kFailed;
  }
  return Outcome::kCommitted;
}

// Nothing, and why, if there is none.
Segment* Committer::make_room(std::size_t bytes, Outcome& refusal) {
  try {
    return &segments_.room_for(bytes, end(), sync_);
  } catch (const IoError& error) {
    if (error.code == ENOSPC || error.code == EDQUOT) {
      refusal = Outcome::kNoSpace;
    } else {
      health_.fail(error.what());
    }
  } catch (const std::exception& error) {
    health_.fail(error.what());
  }
  return nullptr;
}

// Gives the records of a run their LSNs and turns them into what the file holds.
void Committer::place(const Ring::Run& run, Waiter* waiters, const Segment& segment) {
  const std::uint64_t epoch = segment.header().epoch;
  Lsn lsn = end();
  group_.clear();
  for (std::byte* const at : run.records) {
    const RecordHeader left = decode_record(at);
    encode(RecordHeader{record_checksum(left.checksum, epoch, lsn, left.length), left.length, lsn}, at);
    group_.push_back({lsn, Bytes(at + kRecordHeaderBytes, left.length), waiters->context});
    waiters->lsn = lsn;
    waiters = waiters->next;
    lsn += record_bytes(left.length);
  }
  encode(GroupHeader{.epoch = epoch,
                     .first = end(),
                     .synced = syncer_.synced(),
                     .bytes = static_cast<std::uint32_t>(run.bytes),
                     .records = static_cast<std::uint32_t>(run.records.size())},
         header_.data());
}

// Leaves the office to the first who waits, or vacant.
void Committer::hand_over() {
  for (;;) {
    if (const std::byte* const record = ring_.first()) {
      Waiter* const next = waiter_of(record);
      const std::size_t bell = next->bell;
      const Marks mark = next->mark;
      if (next->tell(Outcome::kLead)) bells_.ring(bell, mark);
      return;
    }
    // Vacant first, then look: a writer publishes first, then looks whether it is vacant. One of us sees.
    seat_.leave();
    if (!ring_.ready() || !sit()) return;
  }
}

// One call to the system for each bell that any of them sleeps on; most often that is one.
void Committer::tell(Waiter* waiters, Outcome outcome) {
  std::array<bool, Bells::kCount> rings{};
  while (waiters != nullptr) {
    Waiter* const waiter = std::exchange(waiters, waiters->next);
    const std::size_t bell = waiter->bell;
    if (waiter->tell(outcome)) rings[bell] = true;
  }
  for (std::size_t bell = 0; bell < rings.size(); ++bell) {
    if (rings[bell]) bells_.ring(bell, kAllMarks);
  }
}

void Committer::seal() noexcept {
  Segment& segment = segments_.current();
  try {
    if (end() != segment.header().base && syncer_.synced() == end()) {
      encode(GroupHeader{.epoch = segment.header().epoch, .first = end(), .synced = end()}, header_.data());
      segment.reserve(kGroupHeaderBytes, false);
      segment.append(std::array<Bytes, 1>{header_}, kGroupHeaderBytes);
      segment.sync();
    }
    segment.trim();
  } catch (const std::exception&) {
  }
}

}  // namespace engram::wal
