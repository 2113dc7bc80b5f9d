// Whether a path leads to every node, and making one where none does.
//
// No node loses its last link, but two that are left with each other's alone are as lost. So when a batch of
// retired slots has been swept, all links are followed from where walks begin, a little with each call, and a
// node that was not come by is linked to from the nearest that has room. Inserts and retirements go on
// meanwhile: a node they hid from this search gets a link more than it needs, and one they lost is found the
// next time. (Under ip nodes of short vectors may stay without one: insert.cpp.)

#include <algorithm>
#include <bit>
#include <mutex>

#include "hnsw/impl.h"

namespace engram::hnsw {

void Graph::Impl::begin_reach() {
  upkeep.reached.assign((used.load(std::memory_order_acquire) + 63) / 64, 0);
  upkeep.open.clear();
  upkeep.cursor = 0;
  if (const Entry from = entry_now(); !from.none()) see_reached(from.slot);
}

// Follows the links of no more than `most` nodes; true when there are no more to follow.
bool Graph::Impl::reach(std::size_t most, Scratch& scratch) {
  for (; most != 0; --most) {
    if (upkeep.open.empty() && !rescue_next(scratch)) {
      upkeep.reached = {};
      upkeep.open = {};
      return true;
    }
    if (upkeep.open.empty()) continue;
    const Slot slot = upkeep.open.back();
    upkeep.open.pop_back();
    for (const Slot& link : nodes.neighbours(slot, 0)) {
      const Slot to = load_link(link);
      if (to == kNoSlot) break;
      see_reached(to);
    }
  }
  return false;
}

void Graph::Impl::see_reached(Slot slot) {
  if (slot / 64 >= upkeep.reached.size()) return;
  std::uint64_t& word = upkeep.reached[slot / 64];
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  if ((word & bit) == 0) upkeep.open.push_back(slot);
  word |= bit;
}

// Links to the next node that was not come by, of those in the next words; false when all words were looked
// at. (cursor: the number of a word.)
bool Graph::Impl::rescue_next(Scratch& scratch) {
  constexpr std::size_t kWordsAtOnce = 64;
  for (std::size_t words = 0; words < kWordsAtOnce; ++words, ++upkeep.cursor) {
    if (upkeep.cursor >= upkeep.reached.size()) return false;
    // In this order: a slot that is used again is present only once it is no longer marked as linked.
    const std::uint64_t present = nodes.present.word(upkeep.cursor);
    const std::uint64_t linked = nodes.linked.word(upkeep.cursor) & ~nodes.leaving.word(upkeep.cursor);
    const std::uint64_t lost = present & linked & ~upkeep.reached[upkeep.cursor];
    if (lost == 0) continue;
    const auto slot =
        static_cast<Slot>(upkeep.cursor * 64 + static_cast<std::size_t>(std::countr_zero(lost)));
    see_reached(slot);
    rescue(slot, scratch);
    return true;
  }
  return true;
}

void Graph::Impl::rescue(Slot slot, Scratch& scratch) {
  Entry from = entry_now();
  if (from.none()) {
    const std::lock_guard lock(raising);
    from = entry_now();
    if (from.none()) entry.store(Entry{slot, nodes.level(slot)}.packed());
    if (from.none()) return;
  }
  const simd::CodeQuery query =
      query_of_code(nodes.code(slot), options.dim, options.metric, scratch.query.data());
  const Nearest at = descend(bare_field(query, 0), from, 0, used.load(std::memory_order_acquire), scratch);
  find_candidates(slot, bare_field(query, 0), at, scratch);
  if (scratch.visited.mark(slot)) return;  // the walk came by it
  for (const Candidate& candidate : scratch.candidates) {
    if (lead_to(candidate.slot, slot)) break;
  }
  rescued.fetch_add(1, std::memory_order_relaxed);
}

// Links a node to another, if need be in the place of a link that is not the last to its node; false when it
// has none such.
bool Graph::Impl::lead_to(Slot node, Slot to) {
  const std::lock_guard lock(lock_of(node));
  if (!nodes.present.test(node) || nodes.copies.test(node)) return false;
  const std::span<Slot> links = nodes.neighbours(node, 0);
  Slot* place = nullptr;
  for (Slot& link : links) {
    const Slot there = load_link(link);
    if (there == to) return true;
    if (there != kNoSlot) continue;
    place = &link;
    break;
  }
  for (std::size_t i = links.size(); i-- > 0 && place == nullptr && !outshines(node, to);) {
    if (nodes.remove_link_to(load_link(links[i]))) place = &links[i];
  }
  if (place == nullptr) return false;
  nodes.add_link_to(to);
  store_link(*place, to);
  return true;
}

std::size_t Graph::unreachable() const {
  const Impl& impl = *impl_;
  std::vector<bool> reached(slots());
  std::vector<Slot> open;
  const auto reach = [&](Slot slot) {
    if (!reached[slot]) open.push_back(slot);
    reached[slot] = true;
  };
  if (const Entry entry = impl.entry_now(); !entry.none()) reach(entry.slot);
  while (!open.empty()) {
    const Slot slot = open.back();
    open.pop_back();
    for (const Slot& link : impl.nodes.level0(slot)) {
      const Slot to = load_link(link);
      if (to == kNoSlot) break;
      reach(to);
    }
  }
  std::size_t missing = 0;
  impl.each_present([&](Slot slot) { missing += reached[slot] ? 0 : 1; });
  return missing;
}

}  // namespace engram::hnsw
