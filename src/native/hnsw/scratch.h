// What one walk needs, kept from call to call so that none allocates, and lent to one caller at a time.
//
// Thread-safety: Scratches::lend() from any thread; a Scratch belongs to its borrower.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hnsw/memory.h"
#include "hnsw/pool.h"
#include "hnsw/slot.h"

namespace engram::hnsw {

// Which slots this walk has seen: one byte a slot, equal to the walk's number, cleared when the numbers run
// out.
class Visited {
 public:
  // Forgets everything; slots below `slots` can be marked from now on.
  void begin(std::size_t slots);

  // Whether the slot was marked before; marks it. Slots that came after begin() pass for marked.
  bool mark(Slot slot) {
    if (slot >= size_) return true;
    std::uint8_t& at = marks_[slot];
    const bool seen = at == walk_;
    at = walk_;
    return seen;
  }
  bool test(Slot slot) const { return slot >= size_ || marks_[slot] == walk_; }
  void prefetch(Slot slot) const { __builtin_prefetch(marks_ + slot); }

 private:
  Region region_;
  std::uint8_t* marks_ = nullptr;
  std::size_t size_ = 0;
  std::uint8_t walk_ = 0;
};

struct Candidate {
  float distance;
  Slot slot;
};

// The neighbours gathered from one node's links, their codes and distances.
struct Gathered {
  explicit Gathered(std::size_t most) { grow_to(most); }
  void grow_to(std::size_t most) {
    if (slots.size() >= most) return;
    slots.resize(most);
    codes.resize(most);
    distances.resize(most + 16);
    chosen.resize(most + 16);
  }
  std::vector<Slot> slots;
  std::vector<const std::byte*> codes;
  std::vector<float> distances;
  std::vector<std::uint32_t> chosen;
};

// How many nodes' neighbours are on their way from memory at once. Measured: docs/performance.md.
inline constexpr std::size_t kAhead = 2;

struct Scratch {
  Scratch(std::size_t dim, std::size_t links)
      : gathered(links < 64 ? 64 : links),
        ahead(kAhead, Gathered(links)),
        choosing(256),
        query(simd::sketch_blocks(dim) * simd::kSketchBlock),
        other(dim) {}
  Pool pool;
  Visited visited;
  Gathered gathered;
  std::vector<Gathered> ahead;
  Gathered choosing;               // a second one, for choosing neighbours
  std::vector<std::int8_t> query;  // the walk's query, coded
  std::vector<std::int8_t> other;  // the query of choosing
  std::vector<float> floats;       // vectors widened to float32
  std::vector<Candidate> candidates;
  std::vector<Candidate> kept;
  std::vector<Candidate> dropped;
  std::vector<Candidate> ranked;
  std::vector<std::uint32_t> chosen;  // which of the pool are ranked next
  std::vector<Slot> others;
  std::vector<Slot> seeds;    // where a two-hop walk begins
  std::vector<Slot> through;  // nodes whose links a two-hop walk follows without scoring them
  std::vector<Slot> lists;    // links chosen for a new node, level after level
};

class Scratches {
 public:
  Scratches(std::size_t dim, std::size_t links) : dim_(dim), links_(links) {}
  ~Scratches();

  class Lease {
   public:
    Lease(Scratches& owner, std::unique_ptr<Scratch> scratch) : owner_(owner), scratch_(std::move(scratch)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { owner_.give_back(std::move(scratch_)); }
    Scratch& operator*() const { return *scratch_; }
    Scratch* operator->() const { return scratch_.get(); }

   private:
    Scratches& owner_;
    std::unique_ptr<Scratch> scratch_;
  };

  Lease lend();

 private:
  struct alignas(64) Shelf {
    std::atomic<Scratch*> scratch{nullptr};
  };
  static constexpr std::size_t kShelves = 32;

  void give_back(std::unique_ptr<Scratch> scratch) noexcept;

  std::size_t dim_;
  std::size_t links_;
  std::array<Shelf, kShelves> shelves_;
};

}  // namespace engram::hnsw
