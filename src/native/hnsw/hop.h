// The two-hop walk for searches that only some nodes count for (after ACORN-1, arXiv 2403.04871): over the
// nodes that count alone, from each to those among its neighbours and, through the neighbours that do not
// count, among theirs. What does not count is never scored, and its links are followed once.
//
// Thread-safety: as walk.h.
//
// Invariants: all in the pool count. A node that counts is marked as visited when it is scored, another when
// its links are followed.
#pragma once

#include <cstddef>
#include <vector>

#include "hnsw/walk.h"

namespace engram::hnsw {

// A chain of copies that do not count is followed this far.
inline constexpr std::size_t kMostHops = 256;

// Collects, of the unvisited nodes within two links of one, up to `most` that count, asking for their codes;
// returns how many.
template <class Counts>
std::size_t gather_counting(const Field& field, Slot from, const Counts& counts, std::size_t most,
                            Scratch& scratch, Gathered& out) {
  std::vector<Slot>& through = scratch.through;
  Visited& visited = scratch.visited;
  std::size_t count = 0;
  const std::size_t bytes = field.code_bytes();
  const auto take = [&](Slot slot) {
    visited.mark(slot);
    out.slots[count] = slot;
    out.codes[count] = field.code(slot);
    prefetch(out.codes[count++], bytes);
  };
  through.clear();
  for (const Slot& link : field.nodes.links(from, 0)) {
    const Slot slot = load_link(link);
    if (slot == kNoSlot || count == most) break;
    if (visited.test(slot)) continue;
    if (counts(slot)) {
      take(slot);
    } else {
      through.push_back(slot);
      prefetch_links(field, slot);
    }
  }
  for (std::size_t i = 0; i < through.size() && count < most; ++i) {
    visited.mark(through[i]);
    std::size_t place = 0;
    for (const Slot& link : field.nodes.links(through[i], 0)) {
      const Slot slot = load_link(link);
      if (slot == kNoSlot || count == most) break;
      const bool next_copy = place++ < 2 && field.nodes.copies.test(slot);
      if (visited.test(slot)) continue;
      if (counts(slot)) {
        take(slot);
      } else if (next_copy && through.size() < kMostHops) {
        through.push_back(slot);
      }
    }
  }
  return count;
}

// Walks from what is in the pool until no candidate in it is left to expand.
template <class Counts>
void hop_on(const Field& field, const Counts& counts, std::size_t most, Scratch& scratch) {
  const auto gather_from = [&](Slot slot, Gathered& out) {
    return gather_counting(field, slot, counts, most, scratch, out);
  };
  walk_by(gather_from, field, Everything{}, scratch, NoLimit{});
}

}  // namespace engram::hnsw
