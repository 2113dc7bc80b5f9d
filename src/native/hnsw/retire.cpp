// Life and death of slots.

#include <mutex>

#include "hnsw/impl.h"

namespace engram::hnsw {

void Graph::Impl::set_dead_at(Slot slot, std::uint64_t dead_at) {
  nodes.dead_at(slot).store(dead_at, std::memory_order_release);
  if (dead_at == kAlive) {
    if (!nodes.alive.set(slot)) alive.fetch_add(1, std::memory_order_relaxed);
  } else {
    if (nodes.alive.clear(slot)) alive.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Graph::Impl::retire(Slot slot) {
  set_dead_at(slot, kHidden);
  if (!nodes.present.clear(slot)) return;
  present.fetch_sub(1, std::memory_order_relaxed);
  if (entry_now().slot == slot) replace_entry(slot);
  const std::lock_guard lock(retiring);
  retired.push_back(slot);
}

// A neighbour of the entry on the highest level that has one; where none is left, the highest node there is.
void Graph::Impl::replace_entry(Slot gone) {
  const std::lock_guard lock(raising);
  const Entry old = entry_now();
  if (old.slot != gone) return;
  for (std::size_t l = old.level + 1; l-- > 0;) {
    for (const Slot& link : nodes.links(gone, l)) {
      const Slot neighbour = load_link(link);
      if (neighbour == kNoSlot) break;
      if (!nodes.present.test(neighbour)) continue;
      entry.store(Entry{neighbour, l}.packed(), std::memory_order_release);
      return;
    }
  }
  Entry best;
  each_present([&](Slot slot) {
    if (best.none() || nodes.level(slot) > best.level) best = {slot, nodes.level(slot)};
  });
  entry.store(best.packed(), std::memory_order_release);
}

}  // namespace engram::hnsw
