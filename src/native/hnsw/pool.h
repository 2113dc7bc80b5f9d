// The candidates of one walk: a pool of fixed size, sorted by distance, structure of arrays.
//
// Thread-safety: owned by one walk at a time.
//
// Invariants:
//  (1) Distances ascend; entries equal in distance are in the order of their coming.
//  (2) No entry before the cursor is unexpanded.
//  (3) Of the entries that count there are at most `breadth`, and the last entry counts once there are that
//  many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "hnsw/slot.h"
#include "simd/kernels.h"

namespace engram::hnsw {

class Pool {
 public:
  // Empties the pool: `breadth` entries that count are kept, no more than `capacity` in all, and of equal
  // distances no more than `ties` (at least 1): copies of one vector must not crowd out the way past them.
  // Once the pool is full only the `reach` nearest are expanded.
  void reset(std::size_t breadth, std::size_t capacity, std::size_t ties,
             std::size_t reach = std::numeric_limits<std::size_t>::max()) {
    breadth_ = breadth;
    ties_ = ties;
    capacity_ = capacity < breadth ? breadth : capacity;
    reach_ = reach < capacity_ ? reach : capacity_;
    size_ = counted_ = cursor_ = 0;
    if (distances_.size() < capacity_ + kSlack) {
      distances_.resize(capacity_ + kSlack);
      entries_.resize(capacity_ + kSlack);
    }
  }

  std::size_t size() const { return size_; }
  std::size_t counted() const { return counted_; }
  bool full() const { return size_ >= capacity_; }
  float distance(std::size_t i) const { return distances_[i]; }
  Slot slot(std::size_t i) const { return entries_[i] & kSlotMask; }
  bool counts(std::size_t i) const { return (entries_[i] & kUncounted) == 0; }
  // What a newcomer must be below.
  float bound() const {
    return counted_ >= breadth_ || size_ >= capacity_ ? distances_[size_ - 1]
                                                      : std::numeric_limits<float>::infinity();
  }

  // The nearest entry yet to be expanded, marked so; kNoSlot when there is none.
  Slot take_next() {
    if (none_left()) return kNoSlot;
    const Slot slot = entries_[cursor_] & kSlotMask;
    entries_[cursor_++] |= kExpanded;
    return slot;
  }
  // What take_next() would give, unmarked.
  Slot peek_next() { return none_left() ? kNoSlot : entries_[cursor_] & kSlotMask; }

  // After the walk: forgets the entries that do not count.
  void keep_counted() {
    if (counted_ == size_) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!counts(i)) continue;
      distances_[kept] = distances_[i];
      entries_[kept++] = entries_[i];
    }
    size_ = cursor_ = kept;
  }
  // After the walk: gives each entry another distance, by its place, and sorts them anew.
  void rescore(const float* distances) {
    for (std::size_t i = 0; i < size_; ++i) {  // nearly in order, so insertion moves little
      const Slot entry = entries_[i];
      std::size_t at = i;
      for (; at > 0 && distances[i] < distances_[at - 1]; --at) {
        distances_[at] = distances_[at - 1];
        entries_[at] = entries_[at - 1];
      }
      distances_[at] = distances[i];
      entries_[at] = entry;
    }
    cursor_ = size_;
  }

  // Every entry counts: the plain walk.
  void insert(const simd::Kernels& kernels, float distance, Slot slot) {
    if (!(distance < bound()) || !place(kernels, distance, slot)) return;
    if (size_ > capacity_) --size_;
    counted_ = size_;
  }

  void insert(const simd::Kernels& kernels, float distance, Slot slot, bool counts) {
    if (!(distance < bound()) || !place(kernels, distance, counts ? slot : slot | kUncounted)) return;
    counted_ += counts ? 1 : 0;
    if (counted_ > breadth_ || size_ > capacity_) drop_tail();
  }

 private:
  static constexpr Slot kExpanded = 1U << 31;
  static constexpr Slot kUncounted = 1U << 30;
  static constexpr Slot kSlotMask = kUncounted - 1;
  static constexpr std::size_t kSlack = 64;  // kernels read whole registers

  // Puts the cursor on the next to be expanded; false when there is one.
  bool none_left() {
    while (cursor_ < size_ && (entries_[cursor_] & kExpanded) != 0) ++cursor_;
    return cursor_ >= (full() ? std::min(reach_, size_) : size_);
  }

  bool place(const simd::Kernels& kernels, float distance, Slot entry) {
    const std::size_t at = kernels.rank(distances_.data(), size_, distance);
    if (at >= ties_ && distances_[at - ties_] == distance) return false;
    const std::size_t behind = (size_ - at) * 4;
    std::memmove(distances_.data() + at + 1, distances_.data() + at, behind);
    std::memmove(entries_.data() + at + 1, entries_.data() + at, behind);
    distances_[at] = distance;
    entries_[at] = entry;
    ++size_;
    if (at < cursor_) cursor_ = at;
    return true;
  }

  void drop_tail() {
    if (counted_ > breadth_) {
      while (!counts(size_ - 1)) --size_;
      --size_;
      --counted_;
      while (!counts(size_ - 1)) --size_;  // behind the last that counts nothing is worth expanding
    } else {
      --size_;
      counted_ -= counts(size_) ? 1 : 0;
    }
    if (cursor_ > size_) cursor_ = size_;
  }

  std::size_t breadth_ = 0;
  std::size_t capacity_ = 0;
  std::size_t reach_ = 0;
  std::size_t ties_ = 1;
  std::size_t size_ = 0;
  std::size_t counted_ = 0;
  std::size_t cursor_ = 0;
  std::vector<float> distances_;
  std::vector<Slot> entries_;
};

}  // namespace engram::hnsw
