// What the graph keeps of each node, by slot: its record (code and level-0 links side by side), its links on
// upper levels, its sketch where vectors are long, its full vector, and its life.
//
// The record: [CodeHeader][dim code bytes, padded to 4][2M links], its stride rounded up to 16 bytes. Links
// are slots; the first kNoSlot ends them.
//
// Thread-safety: every accessor from any thread. Links and lives are read and written through atomics; a code
// and a vector are written before the slot is published and are plain memory from then on.
//
// Invariants: an address never changes. `present` is set (release) only when a slot's code, vector and life
// are written, and cleared when the slot is retired; `alive` implies dead_at == kAlive.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "hnsw/code.h"
#include "hnsw/memory.h"
#include "hnsw/options.h"
#include "hnsw/slot.h"

namespace engram::hnsw {

inline Slot load_link(const Slot& link) {
  return std::atomic_ref<Slot>(const_cast<Slot&>(link)).load(std::memory_order_acquire);
}
inline void store_link(Slot& link, Slot slot) {
  std::atomic_ref<Slot>(link).store(slot, std::memory_order_release);
}

// One bit a slot.
class SlotBits {
 public:
  SlotBits() : words_(sizeof(std::uint64_t), kMaxSlots / 64) {}
  void reserve(Slot slot) { words_.reserve(slot / 64); }
  bool test(Slot slot) const { return ((word(slot / 64) >> (slot % 64)) & 1U) != 0; }
  // 64 bits at once; zeros where no slot has been yet.
  std::uint64_t word(std::size_t number) const { return words_.reserved(number) ? at(number).load() : 0; }
  // Returns what the bit was.
  bool set(Slot slot) { return (at(slot / 64).fetch_or(bit(slot)) & bit(slot)) != 0; }
  bool clear(Slot slot) { return (at(slot / 64).fetch_and(~bit(slot)) & bit(slot)) != 0; }
  std::size_t memory_bytes(std::size_t slots) const { return words_.memory_bytes((slots + 63) / 64); }

 private:
  static std::uint64_t bit(Slot slot) { return std::uint64_t{1} << (slot % 64); }
  std::atomic_ref<std::uint64_t> at(std::size_t number) const {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(words_.at(number)));
  }
  ChunkedArray words_;
};

class Nodes {
 public:
  // `backing` is where all but a few bytes a slot lie; null: in RAM.
  Nodes(const Options& options, Backing* backing);

  // The slot's memory may be used from now on.
  void reserve(Slot slot);

  const std::byte* code(Slot slot) const { return records_.at(slot); }
  std::byte* code(Slot slot) { return records_.at(slot); }
  std::size_t code_bytes() const { return code_bytes_; }
  // Of long vectors: what a walk goes by.
  bool sketched() const { return sketched_; }
  const std::byte* sketch(Slot slot) const { return sketches_.at(slot); }
  // Makes the sketch of a slot whose code is there.
  void write_sketch(Slot slot);
  // The squared length of what the code decodes to.
  float norm2(Slot slot) const { return reinterpret_cast<const simd::CodeHeader*>(code(slot))->norm2; }

  // The links of a node on a level it has.
  std::span<Slot> links(Slot slot, std::size_t level) const {
    return level == 0 ? level0(slot) : upper(slot, level);
  }
  std::span<Slot> level0(Slot slot) const {
    return {reinterpret_cast<Slot*>(records_.at(slot) + links_at_), 2 * m_};
  }
  std::size_t level(Slot slot) const { return tower(slot) >> kTowerBits; }

  // Writes code, vector and life of a slot nobody can reach, and empties its links on every level up to
  // `level`.
  void write(Slot slot, const float* vector, Coding coding, std::uint64_t born, std::uint64_t dead_at);
  void clear_links(Slot slot);
  void raise(Slot slot, std::size_t level);
  // Makes a slot that nobody can reach, and that has its level, another's node: all but its links.
  void copy(Slot slot, const Nodes& from, Slot source);

  const std::byte* vector(Slot slot) const { return vectors_.at(slot); }
  // `dim` floats: the vector itself when it is kept as float32, or else widened into `buffer`.
  const float* floats(Slot slot, float* buffer) const;

  std::uint64_t born(Slot slot) const { return life(slot).born; }
  std::atomic_ref<std::uint64_t> dead_at(Slot slot) const {
    return std::atomic_ref<std::uint64_t>(life(slot).dead_at);
  }

  // How many level-0 links lead to a node (as many as 65,535 are told apart). A copy has none, and makes
  // none.
  void add_link_to(Slot slot) {
    auto count = links_to(slot);
    std::uint16_t now = count.load(std::memory_order_relaxed);
    while (now != kCountless && !count.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) {
    }
  }
  // False, and nothing done, when it is the last.
  bool remove_link_to(Slot slot) {
    auto count = links_to(slot);
    std::uint16_t now = count.load(std::memory_order_relaxed);
    while (now != kCountless && now > 1 &&
           !count.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
    }
    return now > 1;
  }

  // Takes one away, the last as well.
  void lose_link_to(Slot slot) {
    auto count = links_to(slot);
    std::uint16_t now = count.load(std::memory_order_relaxed);
    while (now != kCountless && now != 0 &&
           !count.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
    }
  }
  std::size_t links_leading_to(Slot slot) const { return links_to(slot).load(std::memory_order_relaxed); }

  SlotBits present;
  SlotBits alive;
  SlotBits linked;   // in the graph, and no copy
  SlotBits leaving;  // retired, and not yet free to be used again
  SlotBits dying;    // of those, the ones about to be used again: tend.cpp
  SlotBits copies;   // in the chain of a node of the same code, not linked themselves: copies.cpp

  // The first of a node's copies, or kNoSlot. (Not to be asked of a copy.)
  Slot first_copy(Slot node) const {
    const Slot first = load_link(level0(node)[0]);
    return first != kNoSlot && copies.test(first) ? first : kNoSlot;
  }
  // The links of a node to others than its copies.
  std::span<Slot> neighbours(Slot node, std::size_t level) const {
    const std::span<Slot> all = links(node, level);
    return level == 0 && first_copy(node) != kNoSlot ? all.subspan(1) : all;
  }

  std::size_t memory_bytes(std::size_t slots) const;
  // What one more slot takes on average, whatever room there is already.
  std::size_t slot_bytes() const;

  struct Life {
    std::uint64_t born;
    std::uint64_t dead_at;
  };
  static_assert(sizeof(Life) == 16);

  // For saving and loading: the arrays whose bytes a file holds as they are.
  ChunkedArray& records() { return records_; }
  ChunkedArray& vectors() { return vectors_; }
  ChunkedArray& lives() { return lives_; }

 private:
  // A tower is where a node's upper levels begin and how many there are: level << 27 | first.
  static constexpr unsigned kTowerBits = 27;

  static constexpr std::uint16_t kCountless = 0xFFFF;

  std::atomic_ref<std::uint16_t> links_to(Slot slot) const {
    return std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(links_to_.at(slot)));
  }
  Life& life(Slot slot) const { return *reinterpret_cast<Life*>(lives_.at(slot)); }
  std::uint32_t& tower_word(Slot slot) const { return *reinterpret_cast<std::uint32_t*>(towers_.at(slot)); }
  std::uint32_t tower(Slot slot) const { return tower_word(slot); }
  std::span<Slot> upper(Slot slot, std::size_t level) const {
    const std::size_t first = tower(slot) & ((1U << kTowerBits) - 1);
    return {reinterpret_cast<Slot*>(upper_.at(first + level - 1)), m_};
  }

  std::size_t dim_;
  std::size_t m_;
  Scalar scalar_;
  std::size_t code_bytes_;
  bool sketched_;
  std::size_t links_at_;
  ChunkedArray records_;
  ChunkedArray sketches_;
  ChunkedArray vectors_;
  ChunkedArray lives_;
  ChunkedArray towers_;
  ChunkedArray links_to_;
  ChunkedArray upper_;  // M links a level above 0
  std::atomic<std::uint32_t> upper_used_{0};
};

}  // namespace engram::hnsw
