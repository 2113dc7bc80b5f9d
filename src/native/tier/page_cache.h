// A cache of what was read from the disk, under a budget of bytes: lists of codes and pages of vectors of
// cold segments.
//
// Thread-safety: every call from any thread; a shard's mutex is held for one look-up, never while reading.
//
// Invariants: no shard holds more than its share of the budget (but for blocks in use by readers); a block
// never changes; what was dropped is not found again. Blocks are replaced by CLOCK: what was asked for since
// the hand last came by stays.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace engram::tier {

class PageCache {
 public:
  // Bytes that belong to whoever holds them, and to the cache for as long as it likes.
  using Block = std::shared_ptr<const std::vector<std::byte>>;
  using Owner = std::uint64_t;

  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t evictions = 0;
    std::size_t bytes = 0;
    std::size_t blocks = 0;
  };

  explicit PageCache(std::size_t budget_bytes);

  // A number that no other owner has or had.
  Owner new_owner() { return owners_.fetch_add(1, std::memory_order_relaxed) + 1; }

  // Null: not here.
  Block find(Owner owner, std::uint64_t extent);
  // Keeps it, where there is room to be made; of two puts the later stays.
  void put(Owner owner, std::uint64_t extent, Block block);
  // Everything of one owner goes.
  void drop(Owner owner);

  std::size_t budget() const { return budget_; }
  Counters counters() const;

 private:
  struct Key {
    Owner owner;
    std::uint64_t extent;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  struct Entry {
    Key key;
    Block block;
    bool asked = false;
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<Key, std::size_t, Hash> places;  // in entries
    std::vector<Entry> entries;
    std::size_t hand = 0;
    std::size_t bytes = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t evictions = 0;

    void remove(std::size_t place);
    void make_room(std::size_t budget);
  };
  static constexpr std::size_t kShards = 16;

  Shard& shard(const Key& key) { return shards_[Hash()(key) >> 60]; }

  std::size_t budget_;
  std::array<Shard, kShards> shards_;
  std::atomic<Owner> owners_{0};
};

}  // namespace engram::tier
