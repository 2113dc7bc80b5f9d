// Which version of each id is current, and where it lives: one open-addressing table from a seeded 64-bit
// hash of the id to its place, confirmed on the id that is kept there.
//
// Thread-safety: none; Store guards it (many readers or one writer).
//
// Invariants: a place appears at most once; an id has at most one place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "hnsw/graph.h"

namespace engram::engine {

struct PendingMemory;

// Where a memory lives: in the queue (a pointer) or in the hot graph (a slot).
class Place {
 public:
  static Place pending(PendingMemory* memory) { return Place(reinterpret_cast<std::uintptr_t>(memory)); }
  static Place hot(hnsw::Slot slot) { return Place(std::uint64_t{slot} << 1 | 1); }  // pointers are even
  bool is_pending() const { return (bits_ & 1) == 0; }
  PendingMemory* memory() const {
    return reinterpret_cast<PendingMemory*>(static_cast<std::uintptr_t>(bits_));
  }
  hnsw::Slot slot() const { return static_cast<hnsw::Slot>(bits_ >> 1); }
  friend bool operator==(Place, Place) = default;

 private:
  explicit Place(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_;
  friend class IdTable;
};

class IdTable {
 public:
  explicit IdTable(std::uint64_t seed) : seed_(seed), cells_(kLeast) {}

  // The place of `id`, or null. `id_at(place)` gives the id kept at a place.
  template <class IdAt>
  Place* find(std::string_view id, IdAt&& id_at) {
    const std::size_t at = locate(hash(id), id, id_at);
    return cells_[at].used() ? &cells_[at].place : nullptr;
  }
  template <class IdAt>
  const Place* find(std::string_view id, IdAt&& id_at) const {
    return const_cast<IdTable*>(this)->find(id, id_at);
  }

  // Adds an id that is not in the table.
  template <class IdAt>
  void add(std::string_view id, Place place, IdAt&& id_at) {
    if ((size_ + 1) * 8 > cells_.size() * 6) grow();
    const std::uint64_t h = hash(id);
    cells_[locate(h, id, id_at)] = Cell{h, place};
    ++size_;
  }

  // Removes the cell that `found`, a result of find(), points into.
  void erase(Place* found);

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const { return cells_.size() * sizeof(Cell); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Cell& cell : cells_) {
      if (cell.used()) visit(cell.place);
    }
  }

 private:
  struct Cell {
    std::uint64_t hash = 0;  // 0: free (a hash of 0 is kept as 1)
    Place place{0};
    bool used() const { return hash != 0; }
  };
  static constexpr std::size_t kLeast = 64;

  std::uint64_t hash(std::string_view id) const;
  std::size_t home(std::uint64_t h) const { return h & (cells_.size() - 1); }
  void grow();

  // The cell of `id`, or the free cell where it would go.
  template <class IdAt>
  std::size_t locate(std::uint64_t h, std::string_view id, IdAt& id_at) const {
    std::size_t at = home(h);
    while (cells_[at].used() && !(cells_[at].hash == h && id_at(cells_[at].place) == id)) {
      at = (at + 1) & (cells_.size() - 1);
    }
    return at;
  }

  std::uint64_t seed_;
  std::vector<Cell> cells_;  // a power of two, at most three quarters full, probed linearly
  std::size_t size_ = 0;
};

}  // namespace engram::engine
