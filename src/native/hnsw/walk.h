// The walk: from the pool's nearest unexpanded node to its neighbours, until nothing nearer is left.
//
// All unvisited neighbours of a node are gathered first and their codes prefetched, then scored by one call,
// held against the pool's worst by another, and placed. What the walk waits for is memory, so whatever will
// be needed is asked for one step ahead.
//
// A template over where the nodes lie: in RAM (Nodes) or in a mapped file (the tier room has one). Such a
// `NodeSource` gives code(slot), code_bytes() and links(slot, level), and sketch(slot) where it has sketches.
//
// Thread-safety: reads the graph while others change it; pool and scratch are the caller's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

#include "hnsw/nodes.h"
#include "hnsw/scratch.h"
#include "simd/kernels.h"

namespace engram::hnsw {

inline constexpr std::size_t kLine = 64;

// Where every walk begins: the slot and the highest level there is.
struct Entry {
  Slot slot = kNoSlot;
  std::size_t level = 0;

  bool none() const { return slot == kNoSlot; }
  std::uint64_t packed() const { return static_cast<std::uint64_t>(level) << 32 | slot; }
  static Entry of(std::uint64_t packed) {
    return {.slot = static_cast<Slot>(packed), .level = static_cast<std::size_t>(packed >> 32)};
  }
};

// What the walk reads and scores with.
template <class NodeSource>
struct FieldOf {
  const NodeSource& nodes;
  const simd::Kernels& kernels;
  const simd::CodeQuery& query;
  std::size_t dim;
  std::size_t level;
  bool sketched = false;  // go by sketches

  static constexpr bool kHasSketches = requires(NodeSource source) { source.sketch(Slot{}); };

  const std::byte* code(Slot slot) const {
    if constexpr (kHasSketches) {
      if (sketched) return nodes.sketch(slot);
    }
    return nodes.code(slot);
  }
  std::size_t code_bytes() const { return sketched ? simd::sketch_bytes(dim) : nodes.code_bytes(); }
  void score(const std::byte* const* codes, std::size_t count, float* out) const {
    (sketched ? kernels.score_sketches : kernels.score_codes)(query, codes, count, dim, out);
  }
  // The same by whole codes.
  FieldOf by_codes() const {
    FieldOf other = *this;
    other.sketched = false;
    return other;
  }
};
using Field = FieldOf<Nodes>;

// Counts for the walk that skips nobody: it compiles to no test at all.
struct Everything {
  bool operator()(Slot) const { return true; }
};

// For the walk that no deadline ends, likewise.
struct NoLimit {
  static constexpr bool due() { return false; }
};

// Ends a walk once something holds.
template <class Condition>
struct Until {
  const Condition& condition;
  bool due() const { return condition(); }
};

// Asks for the lines of [at, at + bytes), of what is longer than 2 KiB for the beginning: the rest is asked
// for while others are scored. Measured: docs/performance.md.
inline void prefetch(const std::byte* at, std::size_t bytes) {
  constexpr std::size_t kMost = 32 * kLine;
  const auto* line = at;
  const auto* const end = at + std::min(bytes, kMost);
  for (; line < end; line += kLine) __builtin_prefetch(line);
  __builtin_prefetch(end - 1);
}

template <class NodeSource>
void prefetch_links(const FieldOf<NodeSource>& field, Slot slot) {
  const auto links = field.nodes.links(slot, field.level);
  prefetch(reinterpret_cast<const std::byte*>(links.data()), links.size_bytes());
}

// Collects the unvisited neighbours of a node, asking for their codes; returns how many.
template <class NodeSource>
std::size_t gather(const FieldOf<NodeSource>& field, Slot slot, Visited& visited, Gathered& out) {
  std::size_t count = 0;
  const std::size_t bytes = field.code_bytes();
  for (const Slot& link : field.nodes.links(slot, field.level)) {
    const Slot neighbour = load_link(link);
    if (neighbour == kNoSlot) break;
    const std::byte* const code = field.code(neighbour);
    out.slots[count] = neighbour;
    out.codes[count] = code;
    const bool seen = visited.mark(neighbour);
    if (!seen) prefetch(code, bytes);
    count += seen ? 0 : 1;
  }
  return count;
}

// Scores what was gathered and puts what is near enough into the pool.
template <class NodeSource, class Counts>
void admit(const FieldOf<NodeSource>& field, std::size_t count, const Counts& counts, Pool& pool,
           Gathered& gathered) {
  field.score(gathered.codes.data(), count, gathered.distances.data());
  const std::size_t chosen =
      field.kernels.select_below(gathered.distances.data(), count, pool.bound(), gathered.chosen.data());
  for (std::size_t i = 0; i < chosen; ++i) {
    const std::uint32_t which = gathered.chosen[i];
    if constexpr (std::is_same_v<Counts, Everything>) {
      pool.insert(field.kernels, gathered.distances[which], gathered.slots[which]);
    } else {
      pool.insert(field.kernels, gathered.distances[which], gathered.slots[which],
                  counts(gathered.slots[which]));
    }
  }
}

// Puts a starting point into an empty pool and marks it.
template <class NodeSource, class Counts>
void start_at(const FieldOf<NodeSource>& field, Slot slot, const Counts& counts, Scratch& scratch) {
  scratch.visited.mark(slot);
  scratch.gathered.slots[0] = slot;
  scratch.gathered.codes[0] = field.code(slot);
  admit(field, 1, counts, scratch.pool, scratch.gathered);
}

// Walks until no candidate in the pool is left to expand, or the limit is due. What `gather_from(slot, out)`
// collects of the next nodes is asked for before the first one's is scored, so that codes come from memory
// meanwhile; what that expands too early costs little.
template <class NodeSource, class Counts, class Limit, class GatherFrom>
void walk_by(const GatherFrom& gather_from, const FieldOf<NodeSource>& field, const Counts& counts,
             Scratch& scratch, Limit&& limit) {
  Pool& pool = scratch.pool;
  std::array<std::size_t, kAhead> found;
  std::size_t first = 0;
  std::size_t waiting = 0;
  while (!limit.due()) {
    while (waiting < kAhead) {
      const Slot slot = pool.take_next();
      if (slot == kNoSlot) break;
      if (const Slot next = pool.peek_next(); next != kNoSlot) prefetch_links(field, next);
      const std::size_t at = (first + waiting) % kAhead;
      found[at] = gather_from(slot, scratch.ahead[at]);
      ++waiting;
    }
    if (waiting == 0) return;
    if (found[first] != 0) admit(field, found[first], counts, pool, scratch.ahead[first]);
    first = (first + 1) % kAhead;
    --waiting;
  }
}

// The plain walk: over all nodes, of which those that count fill the pool.
template <class NodeSource, class Counts, class Limit = NoLimit>
void walk(const FieldOf<NodeSource>& field, const Counts& counts, Scratch& scratch, Limit&& limit = {}) {
  const auto gather_from = [&](Slot slot, Gathered& out) {
    return gather(field, slot, scratch.visited, out);
  };
  walk_by(gather_from, field, counts, scratch, limit);
}

template <class NodeSource>
float score_one(const FieldOf<NodeSource>& field, Slot slot) {
  const std::byte* const code = field.code(slot);
  float distance;
  field.score(&code, 1, &distance);
  return distance;
}

// A node and how far it is.
struct Nearest {
  Slot slot;
  float distance;
};

// From the entry down to `level`, on each level above it to the node that no neighbour of it is nearer than.
// A node that was scored on the way is not scored again: it was no nearer.
template <class NodeSource>
Nearest descend(FieldOf<NodeSource> field, Entry from, std::size_t level, std::size_t slots,
                Scratch& scratch) {
  Gathered& gathered = scratch.gathered;
  scratch.visited.begin(slots);
  scratch.visited.mark(from.slot);
  Nearest at{from.slot, score_one(field, from.slot)};
  for (field.level = from.level; field.level > level;) {
    const std::size_t count = gather(field, at.slot, scratch.visited, gathered);
    std::size_t best = 0;
    if (count != 0) {
      field.score(gathered.codes.data(), count, gathered.distances.data());
      const auto first = gathered.distances.begin();
      best = static_cast<std::size_t>(std::min_element(first, first + static_cast<std::ptrdiff_t>(count)) -
                                      first);
    }
    if (count != 0 && gathered.distances[best] < at.distance) {
      at = {gathered.slots[best], gathered.distances[best]};
    } else {
      --field.level;
    }
  }
  return at;
}

}  // namespace engram::hnsw
