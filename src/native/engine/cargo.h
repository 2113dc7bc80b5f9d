// What a move or a compaction carries: the memories that will make up one segment, and the pace at which they
// may be written.
//
// Thread-safety: none; each belongs to the call that moves.
//
// Invariants: what a Cargo's rows point to stays for as long as it lives and its caller holds the graph's pin
// and the view from which it took them.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/scratch.h"
#include "engine/scratch_memory.h"
#include "engine/store.h"

namespace engram::engine {

// Keeps a move from writing faster than it may, and ends it when the store is closed or its caller wants to.
class Store::Pace {
  using Clock = std::chrono::steady_clock;

 public:
  Pace(const Store& store, const MoveOptions& how) : store_(store), how_(how) {}

  void breathe(std::uint64_t bytes) {
    written_ += bytes;
    look();
    while (seconds() * how_.bytes_per_second < static_cast<double>(written_)) {
      std::this_thread::sleep_for(kSlice);
      look();
    }
  }
  std::uint64_t written() const { return written_; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

 private:
  static constexpr std::chrono::milliseconds kSlice{10};

  void look() {
    if (store_.closed_.load(std::memory_order_acquire)) {
      throw StoreClosed("the store was closed while memories moved: they are where they were");
    }
    if (Clock::now() < next_look_) return;
    next_look_ = Clock::now() + 10 * kSlice;
    how_.on_wait();
  }

  const Store& store_;
  const MoveOptions& how_;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point next_look_ = begin_;
  std::uint64_t written_ = 0;
};

// The memories that will make up one segment, and where they lie now. Holds what it points to.
class Store::Cargo {
 public:
  // For `most` memories; what they take beyond Options::moving_ram_bytes lies in files.
  Cargo(Store& store, const SegmentName& name, std::size_t most)
      : name_(name),
        memory_(memory_for(store, name, most)),
        rows_(most, memory_.get()),
        places_(most, memory_.get()),
        vectors_(store.files_,
                 *store.options_.folder / ("moving-" + std::to_string(name.number) + ".vectors"),
                 store.manifest_.dim) {}

  const SegmentName& name() const { return name_; }
  std::span<const tier::RowIn> rows() const { return rows_.all(); }
  hnsw::Backing* memory() const { return memory_.get(); }

  // The caller holds a pin of the graph.
  void take_slot(const Store& store, hnsw::Slot slot) {
    const HotRow& row = store.rows_.at(slot);
    add({store.graph_->born(slot), store.ids_->hash(row.id), row.id, row.confidence,
         store.graph_->vector(slot)},
        Place::hot(slot));
  }

  // The caller holds the segment.
  void take_row(const TierSegment& segment, tier::Row row) {
    // Damage must not come out of this with a right checksum.
    if (std::exchange(taking_from_, &segment) != &segment) segment.check_anew();
    segment.file->copy_vector(row, vectors_.add());
    add({segment.keys[row], segment.hashes[row], segment.file->id_view(row), segment.file->confidence(row),
         nullptr},
        Place::tier(segment.index, row));
  }

  void finish() {
    vectors_.finish();
    std::size_t copied = 0;
    for (tier::RowIn& row : rows_.all()) {
      if (row.vector == nullptr) row.vector = vectors_.at(copied++);
    }
  }

  // Where each row of the sealed segment lay.
  SystemVector<Place> places_by_row(std::span<const std::uint64_t> keys) const {
    ScratchArray<KeyPlace> pairs(rows().size(), memory_.get());
    for (std::size_t i = 0; i < rows().size(); ++i) pairs.push_back({rows()[i].key, places_.all()[i]});
    const std::span<KeyPlace> by_key = pairs.all();
    std::sort(by_key.begin(), by_key.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    const auto same = [](const auto& a, const auto& b) { return a.key == b.key; };
    if (keys.size() != by_key.size() ||
        std::adjacent_find(by_key.begin(), by_key.end(), same) != by_key.end()) {
      throw Error("a segment was given, or holds, two copies of one memory: this is a fault of Engram");
    }
    SystemVector<Place> places;
    places.reserve(keys.size());
    for (const std::uint64_t key : keys) {
      const auto at = std::lower_bound(by_key.begin(), by_key.end(), key,
                                       [](const auto& pair, std::uint64_t k) { return pair.key < k; });
      if (at == by_key.end() || at->key != key)
        throw Error("a segment holds what was not given to it: this is a fault of Engram");
      places.push_back(at->place);
    }
    return places;
  }

 private:
  struct KeyPlace {
    std::uint64_t key;
    Place place;
  };

  static std::unique_ptr<ScratchMemory> memory_for(Store& store, const SegmentName& name, std::size_t most) {
    std::size_t row_bytes = sizeof(tier::RowIn) + sizeof(Place) + sizeof(KeyPlace);
    if (name.kind == tier::Kind::kWarm) row_bytes += store.graph_row_bytes();
    if (most * row_bytes <= store.options_.moving_ram_bytes) return nullptr;
    return std::make_unique<ScratchMemory>(
        store.files_, *store.options_.folder / ("moving-" + std::to_string(name.number) + ".rows"));
  }

  void add(const tier::RowIn& row, Place place) {
    rows_.push_back(row);
    places_.push_back(place);
  }

  SegmentName name_;
  const std::unique_ptr<ScratchMemory> memory_;  // null: in RAM
  ScratchArray<tier::RowIn> rows_;
  ScratchArray<Place> places_;
  const TierSegment* taking_from_ = nullptr;
  Scratch vectors_;
};

}  // namespace engram::engine
