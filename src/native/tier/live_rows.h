// Which rows of a segment count. A segment never changes; what was superseded or forgotten since it was
// sealed is noted here.
//
// Thread-safety: every call from any thread. counts() takes a lock only for rows that died so recently that
// an older recall may still count them.
//
// Invariants:
//  (1) A row that is dead stays dead: kill() and bury() change it once. Only a row that was dead from the
//      beginning comes to life, and once.
//  (2) counts(row, snapshot) holds if and only if the row is alive, or was killed with snapshot < dead_at.
//  (3) A set bit is published after the entry that says since when.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "tier/types.h"

namespace engram::tier {

class LiveRows {
 public:
  // kDead: for a segment whose rows are shown one after another, each by revive().
  enum class Begin : std::uint8_t { kAlive, kDead };
  explicit LiveRows(std::size_t rows, Begin begin = Begin::kAlive);

  std::size_t rows() const { return rows_; }
  std::size_t dead_count() const { return dead_.load(std::memory_order_relaxed); }
  std::size_t live_count() const { return rows_ - dead_count(); }

  // Whether the row counts for a recall as of `snapshot`.
  bool counts(Row row, std::uint64_t snapshot) const {
    return (word(row).load(std::memory_order_acquire) & bit(row)) == 0 || counted(row, snapshot);
  }
  // Whether the row is dead to every recall that begins now.
  bool dead(Row row) const { return (word(row).load(std::memory_order_acquire) & bit(row)) != 0; }

  // Dead from snapshot `dead_at` on; recalls of before still count it until settle(). False: it was dead.
  bool kill(Row row, std::uint64_t dead_at);
  // Dead to everybody at once, older recalls included. False: it was dead already (and now to everybody).
  bool bury(Row row);
  // Alive from now on, for a row that began dead and was not touched since.
  void revive(Row row);
  // Forgets since when rows are dead that died at or before `oldest`: no recall of a snapshot below it is
  // left or will begin.
  void settle(std::uint64_t oldest);

  // The rows dead as of `snapshot`, one bit a row, the lowest bit of a byte first.
  std::vector<std::byte> dead_bits(std::uint64_t snapshot = ~std::uint64_t{0}) const;
  // Buries the rows whose bit is set. False, and nothing done: the bytes are not those of so many rows.
  bool bury_bits(std::span<const std::byte> bits);

  std::size_t memory_bytes() const;

 private:
  static std::uint64_t bit(Row row) { return std::uint64_t{1} << (row % 64); }
  std::atomic<std::uint64_t>& word(Row row) const { return words_[row / 64]; }
  bool counted(Row row, std::uint64_t snapshot) const;

  std::size_t rows_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> words_;  // set: dead
  std::atomic<std::size_t> dead_{0};
  std::atomic<std::size_t> recent_count_{0};
  mutable std::shared_mutex mutex_;
  std::unordered_map<Row, std::uint64_t> recent_;  // row -> dead_at
};

// What a search asks of each row.
struct LiveTest {
  const LiveRows& rows;
  std::uint64_t snapshot;
  bool operator()(Row row) const { return rows.counts(row, snapshot); }
};

}  // namespace engram::tier
