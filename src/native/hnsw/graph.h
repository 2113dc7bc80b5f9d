// The HNSW graph (Malkov & Yashunin, arXiv 1603.09320): vectors in slots, walked on compact codes, re-ranked
// on the full vectors.
//
// Thread-safety: insert(), retire(), search() and the accessors from any thread at once; no lock is held
// around a search. save(), load() and the constructor from one thread, with no insert or retire meanwhile.
//
// Invariants:
//  (1) A slot that a reader can reach never changes its vector, code or label.
//  (2) A slot's code and vector are written before any link to it is published (release / acquire on links).
//  (3) A search as of `snapshot` returns a slot if and only if born <= snapshot < dead_at.
//  (4) With one thread and one seed, the same inserts give the same graph, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"
#include "hnsw/epoch.h"
#include "hnsw/memory.h"
#include "hnsw/options.h"
#include "hnsw/slot.h"

namespace engram::hnsw {

struct Hit {
  float distance;
  Slot slot;
};

class Graph {
 public:
  // `backing` is where all but about 10 bytes a vector lie, and outlives the graph; null: in RAM.
  // Errors: InvalidInput when an option is out of range.
  explicit Graph(const Options& options, Backing* backing = nullptr);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  const Options& options() const;
  std::size_t size() const;  // slots that are not retired
  std::size_t memory_bytes() const;
  std::size_t slot_bytes() const;  // what one more vector takes on average

  // Adds one vector; returns its slot, already linked. `born` is the label; snapshots below it do not see it.
  // Errors: InvalidInput when all of the 2^30 slots are used. The vector has been checked (finite, length).
  Slot insert(const float* vector, std::uint64_t born, std::uint64_t dead_at = kAlive);

  void set_dead_at(Slot slot, std::uint64_t dead_at);
  std::uint64_t dead_at(Slot slot) const;
  std::uint64_t born(Slot slot) const;

  // Takes a slot out for good: it is dead to every search that begins from now on, its neighbours are mended
  // and it is used again once no search that could see it is left.
  void retire(Slot slot);

  // The vector as it was stored (converted from bf16 / f16 when kept so), `dim` floats.
  void copy_vector(Slot slot, float* out) const;
  // The same where it lies; null when it is kept as bf16 or f16.
  const float* vector(Slot slot) const;

  // Which slots may be found. Both functions must answer while others insert and retire.
  struct Filter {
    std::function<bool(Slot)> keep;
    double share = 0.25;  // of all slots, about how many pass
    // Adds some that pass, wherever they are, to an empty list: where to begin when none is near the query.
    std::function<void(std::vector<Slot>&)> seeds = [](std::vector<Slot>&) {};
  };

  // The k nearest slots that count at `snapshot` and pass the filter (null: all), nearest first; returns how
  // many. ef: how many of the nearest candidates the walk expands; below k it still returns k, with a filter
  // or an old snapshot it is raised to k. Takes no allocation in the steady state.
  std::size_t search(const float* query, std::size_t k, std::size_t ef, std::uint64_t snapshot,
                     const Filter* filter, Hit* out) const;

  // The k nearest of the given slots that are alive now, nearest first, without a walk.
  std::size_t search_among(const float* query, std::span<const Slot> among, std::size_t k, Hit* out) const;

  // Slots below this have been in the graph.
  std::size_t slots() const;
  // Calls see(slot) for every slot that is not retired.
  void each_present(const std::function<void(Slot)>& see) const;
  // The same for 64 slots at once, from 64 * block on, below slots(): a bit for each that is not retired,
  // whose `born` is written to its place in `born`.
  std::uint64_t present_of(std::size_t block, std::span<std::uint64_t, 64> born) const;

  // How many slots that are not retired cannot be reached from where walks begin: none, if all is well. Looks
  // at every link; not while others insert or retire.
  std::size_t unreachable() const;

  // What sketches of the vectors are off by, as far as nodes were asked (hnsw/judge.cpp); 1 while few were.
  double sketches_off() const;

  // While one of these lives, no slot that a search could see when it was made is used again.
  using Guard = Epochs::Pin;
  Guard pin() const;

  // The graph as it lies, for who writes it down elsewhere, with no insert or retire meanwhile.
  Slot entry() const;  // kNoSlot: nothing was inserted
  std::size_t level(Slot slot) const;
  std::span<const Slot> links(Slot slot, std::size_t level) const;  // the first kNoSlot ends them
  std::span<const std::byte> code(Slot slot) const;                 // hnsw/code.h
  float shift() const;                                              // of the codes under l2

  // The same vectors and links in slots of another order, in which a search finds what it reads next nearby,
  // and without gaps. Finishes what retired slots left to be done first, for which it waits for searches;
  // nobody inserts or retires meanwhile. Births, deaths and levels stay; slots do not.
  std::unique_ptr<Graph> in_walk_order();
  // Finishes at once what retired slots leave to be done, and so frees them, instead of a little with each
  // call; false when a search or a pin lasts so long that it would have to be waited for. Nobody inserts or
  // retires meanwhile.
  bool settle();
  // in_walk_order(), but null when a search or a pin lasts so long that it would have to be waited for.
  // `place` becomes, by slot, which it is there; kNoSlot: it was retired.
  std::unique_ptr<Graph> try_in_walk_order(std::vector<Slot>& place, Backing* backing);

  void save(File& file) const;
  static std::unique_ptr<Graph> load(const File& file, const Path& path_for_errors);

  struct Impl;  // hnsw/impl.h: for this room alone

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace engram::hnsw
