// A bounded ring of encoded records that many writers fill and the leader of the moment drains.
//
// Thread-safety: reserve(), publish(), ready() and arrived() from any thread; the rest from the leader alone.
//
// Invariants:
//  (1) A reserved place is written by its owner alone until publish(), and by the leader alone from take()
//      to release().
//  (2) take() returns only a contiguous run of published records, in the order they were reserved.
//  (3) A record lies in one piece. One that would not fit before the ring's end begins at its start; the
//      rest before it is skipped. So a position in the ring is not an LSN: the leader gives those.
//  (4) head <= next <= tail, as byte positions that never wrap in 2^63; what is reserved beyond head +
//      capacity waits, first come first served, and nothing is dropped.
//  (5) A bit is set for a place from publish() to take() and for no other: a stale byte is never read as a
//      record.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "wal/types.h"

namespace engram::wal {

class Ring {
 public:
  // A reserved place of `size` bytes at `bytes`. The first 8 bytes of a record are its owner's but for the
  // highest bit of its second 32-bit word, which the ring keeps for itself: it must be 0.
  struct Place {
    std::byte* bytes;
    std::uint64_t begin;
    std::uint64_t skipped;  // just before `begin`
  };
  // What the leader took: the records one by one (at most kMostRecords, so that no group has to allocate),
  // and the one or two stretches of memory they fill.
  struct Run {
    std::vector<std::byte*> records;
    std::array<Bytes, 2> parts;
    std::size_t bytes = 0;
  };

  static constexpr std::size_t kMostRecords = 4096;

  // At least `bytes`, rounded up to a power of two.
  explicit Ring(std::size_t bytes);

  std::size_t capacity() const { return mask_ + 1; }
  std::size_t largest_record() const { return capacity() / 2; }
  std::size_t used() const;

  // `size`: a multiple of 8, at most largest_record(). Blocks, asleep, while the ring is full.
  Place reserve(std::size_t size);
  // The place's record is whole; its length (second 32-bit word) tells how far it reaches.
  void publish(const Place& place);
  // Whether take() would find something. Sequentially consistent with publish().
  bool ready() const;
  // How many records were published since the last take(); some may be whole in a moment only. Sequentially
  // consistent with publish().
  std::uint64_t arrived() const {
    const std::uint64_t taken = taken_.load(std::memory_order_seq_cst);
    return published_.load(std::memory_order_seq_cst) - taken;
  }

  std::byte* first();  // the first published record, or nullptr
  const Run& take();   // valid until release()
  void release();      // gives the run's space back and wakes who waited for it

 private:
  std::atomic<std::uint64_t>& word_of(std::uint64_t position) const;
  static std::uint64_t bit_of(std::uint64_t position);
  bool is_published(std::uint64_t position) const;
  void mark(std::uint64_t position);
  std::byte* at(std::uint64_t position) const { return bytes_.get() + (position & mask_); }
  void await_space(std::uint64_t end);

  std::size_t mask_;
  std::unique_ptr<std::byte[]> bytes_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> bits_;  // one for each 8 bytes
  Run run_;
  std::atomic<std::uint64_t> taken_{0};

  alignas(64) std::atomic<std::uint64_t> tail_{0};       // where the next reservation begins
  alignas(64) std::atomic<std::uint64_t> published_{0};  // records
  alignas(64) std::atomic<std::uint64_t> next_{0};       // where the next take() begins
  std::atomic<std::uint64_t> head_{0};                   // all below is free
  std::atomic<std::uint32_t> releases_{0};               // what waiters for space sleep on
  std::atomic<std::uint32_t> sleepers_{0};
};

}  // namespace engram::wal
