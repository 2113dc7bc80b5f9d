// The graph's state, shared by the files that insert, search, retire and save.
//
// Thread-safety and invariants: see graph.h. The order of locks: `raising`, `copying`, a node's lock; at most
// one node's lock is held at a time.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "hnsw/epoch.h"
#include "hnsw/graph.h"
#include "hnsw/lock.h"
#include "hnsw/nodes.h"
#include "hnsw/resolve.h"
#include "hnsw/scratch.h"
#include "hnsw/walk.h"
#include "simd/kernels.h"

namespace engram::hnsw {

// Whether a slot is alive, or was at the snapshot.
struct AtSnapshot {
  const Nodes& nodes;
  std::uint64_t snapshot;
  bool some_younger;  // whether any slot may be born after the snapshot

  bool operator()(Slot slot) const {
    if (nodes.alive.test(slot)) return !some_younger || nodes.born(slot) <= snapshot;
    if (snapshot == kNow || !nodes.present.test(slot)) return false;
    return nodes.born(slot) <= snapshot && snapshot < nodes.dead_at(slot).load(std::memory_order_acquire);
  }
};

// The nodes as whoever links sees them: without copies.
struct BareNodes {
  const Nodes& nodes;
  const std::byte* code(Slot slot) const { return nodes.code(slot); }
  std::size_t code_bytes() const { return nodes.code_bytes(); }
  std::span<Slot> links(Slot slot, std::size_t level) const { return nodes.neighbours(slot, level); }
};
using BareField = FieldOf<BareNodes>;

// The least links a node gets, where there are as many to link to.
inline constexpr std::size_t kFewLinks = 4;

using Clock = std::chrono::steady_clock;

struct Graph::Impl {
  Impl(const Options& options, Backing* backing);

  // insert.cpp
  Slot insert(const float* vector, std::uint64_t born, std::uint64_t dead_at);
  void link(Slot slot, Scratch& scratch, Slot instead_of = kNoSlot);
  bool take_candidates(Slot slot, Scratch& scratch) const;
  void find_candidates(Slot slot, const BareField& field, Nearest from, Scratch& scratch) const;
  void link_back(Slot node, Slot to, std::size_t level, Scratch& scratch, Slot instead_of = kNoSlot);
  static void keep_few(std::size_t least, Scratch& scratch);
  void rank_links(Slot node, std::span<Slot> links, Slot newcomer, Scratch& scratch) const;
  void rank_gathered(Slot node, std::size_t count, Scratch& scratch) const;
  static void copy_links(std::span<Slot> links, std::span<const Candidate> chosen);
  void keep_reachable(Slot node, std::size_t most, Scratch& scratch);
  bool outshines(Slot node, Slot other) const;
  Slot take_slot();
  // Leaves in `scratch.kept` at most `most` of the ascending candidates, each nearer to the one they are
  // chosen for than to any other kept, and the rest in `scratch.dropped`.
  void choose(std::span<const Candidate> candidates, std::size_t most, Scratch& scratch) const;
  std::size_t level_of(Slot slot) const;

  // copies.cpp
  bool hang(Slot slot, Scratch& scratch);
  bool hang_under(Slot slot, Slot node);
  bool make_room_in_front(std::span<Slot> links);
  void unhang(Slot copy);
  bool step_in(Slot copy, Slot node, Scratch& scratch);
  void leave(Slot slot, Scratch& scratch);
  bool in_chain(Slot copy) const;
  bool same_code(Slot a, Slot b) const;

  // search.cpp
  std::size_t search(const float* query, std::size_t k, std::size_t ef, std::uint64_t snapshot,
                     const Filter* filter, Hit* out) const;
  std::size_t search_among(const float* query, std::span<const Slot> among, std::size_t k, Hit* out) const;

  // judge.cpp
  void judge_newcomer(Slot slot, Scratch& scratch);
  void judge_loaded();
  void judge(Slot slot, Scratch& scratch);
  double sketches_off() const;

  // save.cpp
  void save(File& file) const;
  void drop_stale_links();

  // retire.cpp
  void set_dead_at(Slot slot, std::uint64_t dead_at);
  void retire(Slot slot);
  void replace_entry(Slot gone);
  Slot highest_present(Slot but = kNoSlot) const;

  // tend.cpp: what retired slots leave to be done, a little at each call
  void tend(Scratch& scratch) { tend(scratch, least_batch()); }
  void tend(Scratch& scratch, std::size_t least);
  std::size_t least_batch() const;
  void sweep(Scratch& scratch);
  bool mend_links(Slot node, std::size_t level, Scratch& scratch);
  void relink(Slot slot, Scratch& scratch);
  void replace_links(std::vector<Slot>& stay, std::size_t most, std::size_t level, Scratch& scratch);
  void adopt_neighbours(Slot dying, Scratch& scratch);

  // reorder.cpp
  bool settle(Clock::duration patience);
  std::unique_ptr<Graph> laid_out(std::vector<Slot>& place, Backing* backing) const;

  // reach.cpp
  void begin_reach();
  bool reach(std::size_t most, Scratch& scratch);
  void see_reached(Slot slot);
  bool rescue_next(Scratch& scratch);
  void rescue(Slot slot, Scratch& scratch);
  bool lead_to(Slot node, Slot to);

  // Calls see(slot) for every slot that was written and not retired.
  template <class See>
  void each_present(const See& see) const {
    const std::size_t words = (used.load(std::memory_order_acquire) + 63) / 64;
    for (std::size_t w = 0; w < words; ++w) {
      for (std::uint64_t bits = nodes.present.word(w); bits != 0; bits &= bits - 1) {
        see(static_cast<Slot>(w * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
      }
    }
  }

  Coding coding_of(const float* vector) const;
  SpinLock& lock_of(Slot slot) const { return locks[slot % locks.size()]; }
  std::size_t alive_now() const { return alive.load(std::memory_order_relaxed); }
  Entry entry_now() const { return Entry::of(entry.load(std::memory_order_acquire)); }
  Field field(const simd::CodeQuery& query) const {
    return {.nodes = nodes,
            .kernels = kernels,
            .query = query,
            .dim = options.dim,
            .level = 0,
            .sketched = nodes.sketched()};
  }
  // Whether searches go by sketches.
  bool sketches_serve() const { return nodes.sketched() && sketches_off() < kSketchesOff; }
  BareField bare_field(const simd::CodeQuery& query, std::size_t level) const {
    return {.nodes = bare, .kernels = kernels, .query = query, .dim = options.dim, .level = level};
  }

  Options options;
  const simd::Kernels& kernels;
  Nodes nodes;
  BareNodes bare{nodes};
  mutable Scratches scratches;
  mutable Epochs epochs;
  mutable std::array<SpinLock, 4096> locks;

  std::mutex raising;  // held by who changes the entry
  std::mutex copying;  // held by who changes a chain of copies
  std::atomic<std::uint64_t> entry{Entry{}.packed()};

  // Of the nodes that were asked about their neighbours' sketches: how many, and the sum of their answers.
  std::atomic<std::uint32_t> asked{0};
  std::atomic<double> asked_off{0};

  std::once_flag shift_chosen;
  float shift = 0.0F;  // see Coding; fixed by the first vector

  std::atomic<std::uint32_t> used{0};      // slots below are in the graph, or were
  std::atomic<std::uint32_t> present{0};   // of them, those not retired
  std::atomic<std::uint32_t> alive{0};     // of them, those whose dead_at is kAlive
  std::atomic<std::uint64_t> youngest{0};  // the largest `born` so far

  // Slots on their way from retirement to their next use; see tend.cpp.
  struct Upkeep {
    enum class Phase { kIdle, kBeforeSweep, kSweep, kAdopt, kReach, kAfterSweep };
    std::mutex mutex;  // held by who does the work; others pass by
    Phase phase = Phase::kIdle;
    std::vector<Slot> dying;
    std::uint64_t epoch = 0;
    Slot cursor = 0;
    Slot end = 0;
    std::size_t stride = 0;
    std::vector<std::uint64_t> reached;  // one bit a slot
    std::vector<Slot> open;              // reached, their links not yet followed
  };
  Upkeep upkeep;
  std::mutex retiring;  // guards the two lists
  std::vector<Slot> retired;
  std::vector<Slot> free;
  std::atomic<std::uint32_t> free_count{0};
  std::atomic<bool> tending_due{false};
  std::atomic<std::uint64_t> sweeps{0};
  std::atomic<std::uint64_t> mended{0};
  std::atomic<std::uint64_t> rescued{0};
};

}  // namespace engram::hnsw
