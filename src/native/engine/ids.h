// Which version of each id is current, and where it lives: from a seeded 64-bit hash of the id to its place,
// confirmed on the id that is kept there. A large table is cut into parts by the first bits of the hash, so
// that growing takes memory and time for one of them only, never for all ids at once.
//
// Thread-safety: none; Store guards it (many readers or one writer).
//
// Invariants:
//  (1) A place appears at most once; an id has at most one place.
//  (2) Once it has grown, 73 to 88 of 100 cells of a part are in use: with its activation (8 bytes) and the
//  bit that
//      says whether it is dead, a memory takes at most 32 bytes of RAM to be found, whatever its tier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "hnsw/graph.h"
#include "hnsw/memory.h"
#include "tier/types.h"

namespace engram::engine {

struct PendingMemory;

// Where a memory lives: in the queue (a pointer), in the hot graph (a slot), or in a segment of the warm or
// the cold tier (the segment's index among those that are open, and a row).
class Place {
 public:
  static constexpr std::uint32_t kMostSegments = 1U << 30;

  static Place pending(PendingMemory* memory) { return Place(reinterpret_cast<std::uintptr_t>(memory)); }
  static Place hot(hnsw::Slot slot) { return Place(std::uint64_t{slot} << 2 | kHot); }
  static Place tier(std::uint32_t segment, tier::Row row) {
    return Place(std::uint64_t{segment} << 34 | std::uint64_t{row} << 2 | kTier);
  }

  bool is_pending() const { return (bits_ & 3) == 0; }  // pointers are multiples of 8
  bool is_hot() const { return (bits_ & 3) == kHot; }
  bool is_tier() const { return (bits_ & 3) == kTier; }

  PendingMemory* memory() const {
    return reinterpret_cast<PendingMemory*>(static_cast<std::uintptr_t>(bits_));
  }
  hnsw::Slot slot() const { return static_cast<hnsw::Slot>(bits_ >> 2); }
  std::uint32_t segment() const { return static_cast<std::uint32_t>(bits_ >> 34); }
  tier::Row row() const { return static_cast<tier::Row>(bits_ >> 2); }
  friend bool operator==(Place, Place) = default;

 private:
  static constexpr std::uint64_t kHot = 1;
  static constexpr std::uint64_t kTier = 2;

  explicit Place(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_;
};

// The ids whose hashes begin with the same bits: an open-addressing table, probed linearly.
class IdTablePart {
 public:
  struct Cell {
    std::uint64_t hash;  // 0: free
    Place place;
    bool used() const { return hash != 0; }
  };
  static_assert(sizeof(Cell) == 16);

  // With room for `ids`. The first `skipped_bits` of a hash are the same in all of them.
  IdTablePart(std::size_t ids, unsigned skipped_bits);

  // The cell of what is looked for, or the free cell where it would go.
  template <class IsIt>
  Cell& locate(std::uint64_t hash, IsIt& is_it) const {
    std::size_t number = home(hash);
    while (at(number).used() && !(at(number).hash == hash && is_it(at(number).place))) number = next(number);
    return at(number);
  }

  // Adds what is not there.
  void add(std::uint64_t hash, Place place);
  void erase(Cell* found);
  // Room for so many, so that adding them moves nothing.
  void reserve(std::size_t ids);

  std::size_t size() const { return size_; }
  std::size_t cells() const { return count_; }
  std::size_t memory_bytes() const { return memory_.size(); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < count_; ++i) {
      if (at(i).used()) visit(at(i).hash, at(i).place);
    }
  }

 private:
  Cell& at(std::size_t number) const { return reinterpret_cast<Cell*>(memory_.data())[number]; }
  // In the order of the hashes, so that a larger table is filled from front to back.
  std::size_t home(std::uint64_t hash) const {
    return static_cast<std::size_t>(static_cast<unsigned __int128>(hash << skipped_bits_) * count_ >> 64);
  }
  std::size_t next(std::size_t number) const { return number + 1 == count_ ? 0 : number + 1; }
  std::size_t distance(std::size_t from, std::size_t to) const {
    return to >= from ? to - from : to + count_ - from;
  }
  bool full(std::size_t ids) const { return ids * 8 > count_ * 7; }
  void resize(std::size_t cells);

  hnsw::Region memory_;    // straight from the system, so that what a table outgrows is given back
  std::size_t count_ = 0;  // of cells
  std::size_t size_ = 0;
  unsigned skipped_bits_;
};

class IdTable {
 public:
  explicit IdTable(std::uint64_t seed);

  // Never 0.
  std::uint64_t hash(std::string_view id) const;

  // The place of the id that has this hash and of which is_it(place) says that it is kept there, or null.
  template <class IsIt>
  Place* find(std::uint64_t hash, IsIt&& is_it) {
    IdTablePart::Cell& cell = parts_[part(hash)].locate(hash, is_it);
    return cell.used() ? &cell.place : nullptr;
  }
  template <class IsIt>
  const Place* find(std::uint64_t hash, IsIt&& is_it) const {
    return const_cast<IdTable*>(this)->find(hash, is_it);
  }
  // The cell of exactly this place, or null.
  Place* find(std::uint64_t hash, Place place) {
    return find(hash, [place](Place there) { return there == place; });
  }
  const Place* find(std::uint64_t hash, Place place) const {
    return const_cast<IdTable*>(this)->find(hash, place);
  }

  // Adds an id that is not in the table.
  void add(std::uint64_t hash, Place place);
  // Room for about so many ids: few of the parts grow while they are added.
  void reserve(std::size_t ids);
  // Removes the cell that `found`, a result of find(), points into.
  void erase(Place* found);

  std::size_t size() const;
  std::size_t memory_bytes() const;

  // visit(hash, place) for every id.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const IdTablePart& part : parts_) part.for_each(visit);
  }

 private:
  std::size_t part(std::uint64_t hash) const {
    return bits_ == 0 ? 0 : static_cast<std::size_t>(hash >> (64 - bits_));
  }
  // Cuts the one table there is into parts with room for `ids` in all.
  void split(std::size_t ids);

  std::uint64_t seed_;
  unsigned bits_ = 0;  // parts are told apart by so many first bits of the hash
  std::vector<IdTablePart> parts_;
};

}  // namespace engram::engine
