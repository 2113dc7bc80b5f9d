#include "wal/commit.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"

namespace engram::wal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kMostGathering = std::chrono::microseconds(100);

// What a writer leaves in the ring ahead of its payload: the leader turns it into a record header in place.
constexpr std::size_t kWaiterAt = 8;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t more) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace

enum class Committer::Outcome : std::uint32_t { kWaiting, kLead, kCommitted, kFailed, kNoSpace };

// A writer in append(), on its stack: gone as soon as it has seen its outcome.
struct Committer::Waiter {
  Sync sync;
  std::uint64_t context;
  Lsn lsn = 0;
  Waiter* next = nullptr;
  std::atomic<std::uint32_t> outcome{static_cast<std::uint32_t>(Outcome::kWaiting)};

  Outcome now() const { return static_cast<Outcome>(outcome.load(std::memory_order_acquire)); }
  void set(Outcome value) { outcome.store(static_cast<std::uint32_t>(value), std::memory_order_seq_cst); }
  void tell(Outcome value) {
    set(value);
    outcome.notify_one();  // by address only: the waiter may have returned already
  }
  void sleep() { outcome.wait(static_cast<std::uint32_t>(Outcome::kWaiting), std::memory_order_acquire); }
};

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
  Waiter self{.sync = sync, .context = context};
  const std::uint32_t checksum = crc32c(0, payload);
  const std::size_t size = record_bytes(payload.size());
  const Ring::Place place = ring_.reserve(size);
  store_le(place.bytes, checksum);
  store_le(place.bytes + 4, static_cast<std::uint32_t>(payload.size()));
  store_le(place.bytes + kWaiterAt, reinterpret_cast<std::uintptr_t>(&self));
  std::byte* const body = place.bytes + kRecordHeaderBytes;
  if (!payload.empty()) std::memcpy(body, payload.data(), payload.size());
  std::memset(body + payload.size(), 0, size - kRecordHeaderBytes - payload.size());
  ring_.publish(place);

  if (!leading_.exchange(true, std::memory_order_seq_cst)) lead(self);
  for (;;) {
    switch (self.now()) {
      case Outcome::kWaiting:
        self.sleep();
        break;
      case Outcome::kLead:
        self.set(Outcome::kWaiting);
        lead(self);
        break;
      case Outcome::kCommitted:
        return self.lsn;
      case Outcome::kNoSpace:
        throw OutOfSpace("the disk has no room for the next piece of the log (" +
                         segments_.folder().string() +
                         "): nothing was written; free some space and store again");
      case Outcome::kFailed:
        health_.check();
        break;
    }
  }
}

void Committer::lead(Waiter& self) noexcept {
  gather();
  const Ring::Run& run = ring_.take();
  if (run.records.empty()) return hand_over();  // an earlier reservation is still being filled
  Waiter* waiters = collect(run);
  const Outcome outcome = commit(run, waiters);
  ring_.release();
  hand_over();
  while (waiters != nullptr) {
    Waiter* const waiter = std::exchange(waiters, waiters->next);
    if (waiter == &self) {
      self.set(outcome);
    } else {
      waiter->tell(outcome);
    }
  }
}

// How many writers there were a moment ago, they are likely to come again: those just told are on their way
// back. Waiting for them costs less than the sync they would otherwise need of their own.
void Committer::gather() {
  if (ring_.arrived() >= expected_) return;
  const Clock::time_point until = Clock::now() + kMostGathering;
  while (ring_.arrived() < expected_ && Clock::now() < until) std::this_thread::yield();
}

void Committer::expect_company(bool synced) {
  expected_ = synced ? group_.size() + ring_.arrived() : 0;
}

// The waiters of a run, in its order; takes them out of the records, which can then become what the file
// holds.
Committer::Waiter* Committer::collect(const Ring::Run& run) {
  Waiter* first = nullptr;
  for (auto record = run.records.rbegin(); record != run.records.rend(); ++record) {
    auto* const waiter = reinterpret_cast<Waiter*>(load_le<std::uintptr_t>(*record + kWaiterAt));
    waiter->next = std::exchange(first, waiter);
  }
  return first;
}

Committer::Outcome Committer::commit(const Ring::Run& run, Waiter* waiters) {
  if (health_.failed()) return Outcome::kFailed;
  bool sync = false;
  bool interval = false;
  for (const Waiter* waiter = waiters; waiter != nullptr; waiter = waiter->next) {
    sync = sync || waiter->sync == Sync::kAlways;
    interval = interval || waiter->sync == Sync::kInterval;
  }
  const std::size_t bytes = kGroupHeaderBytes + run.bytes;
  Segment* segment = nullptr;
  try {
    segment = &segments_.room_for(bytes, end(), sync);
  } catch (const IoError& error) {
    if (error.code == ENOSPC || error.code == EDQUOT) return Outcome::kNoSpace;
    health_.fail(error.what());
    return Outcome::kFailed;
  } catch (const std::exception& error) {
    health_.fail(error.what());
    return Outcome::kFailed;
  }
  try {
    place(run, waiters, *segment);
    const std::array<Bytes, 3> parts{header_, run.parts[0], run.parts[1]};
    segment->append(std::span(parts).first(run.parts[1].empty() ? 2 : 3), bytes);
    const Lsn end = group_.back().lsn + record_bytes(group_.back().payload.size());
    syncer_.wrote(end);
    if (sync) syncer_.sync_to(end);
    if (health_.failed()) return Outcome::kFailed;
    end_.store(end, std::memory_order_release);
  } catch (const std::exception& error) {
    health_.fail(error.what());
    return Outcome::kFailed;
  }
  if (interval) syncer_.wake_interval();
  add(records_, group_.size());
  add(groups_, 1);
  add(bytes_, bytes);
  largest_group_.store(std::max<std::uint64_t>(largest_group(), group_.size()), std::memory_order_relaxed);
  on_commit_(group_);
  expect_company(sync);
  return Outcome::kCommitted;
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

// Gives the records of a run their LSNs and turns them into what the file holds.
void Committer::place(const Ring::Run& run, Waiter* waiters, Segment& segment) {
  const std::uint64_t epoch = segment.header().epoch;
  Lsn lsn = end();
  group_.clear();
  for (std::byte* const at : run.records) {
    const RecordHeader written = decode_record(at);
    const std::uint32_t checksum = record_checksum(written.checksum, epoch, lsn, written.length);
    encode(RecordHeader{checksum, written.length, lsn}, at);
    group_.push_back({lsn, Bytes(at + kRecordHeaderBytes, written.length), waiters->context});
    waiters->lsn = lsn;
    waiters = waiters->next;
    lsn += record_bytes(written.length);
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
    if (std::byte* const record = ring_.first()) {
      reinterpret_cast<Waiter*>(load_le<std::uintptr_t>(record + kWaiterAt))->tell(Outcome::kLead);
      return;
    }
    // Vacant first, then look: a writer publishes first, then looks whether it is vacant. One of us sees.
    leading_.store(false, std::memory_order_seq_cst);
    if (!ring_.ready() || leading_.exchange(true, std::memory_order_seq_cst)) return;
  }
}

}  // namespace engram::wal
