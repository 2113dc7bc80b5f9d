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
  if (!nodes.present.test(slot) || nodes.leaving.set(slot)) return;
  const Epochs::Pin pin = epochs.pin();
  const Scratches::Lease scratch = scratches.lend();
  leave(slot, *scratch);
  present.fetch_sub(1, std::memory_order_relaxed);
  replace_entry(slot);
  {
    const std::lock_guard lock(retiring);
    retired.push_back(slot);
  }
  tend(*scratch);
}

// If walks begin at a slot that is gone: from now on at a neighbour of it, on the highest level that has one,
// or where none is left at the highest node there is.
void Graph::Impl::replace_entry(Slot gone) {
  if (Entry::of(entry.load()).slot != gone) return;
  const std::lock_guard lock(raising);
  for (Entry old = entry_now(); !old.none() && !nodes.present.test(old.slot); old = Entry::of(entry.load())) {
    Entry next;
    for (std::size_t l = old.level + 1; l-- > 0 && next.none();) {
      for (const Slot& link : nodes.links(old.slot, l)) {
        const Slot neighbour = load_link(link);
        if (neighbour == kNoSlot) break;
        if (nodes.present.test(neighbour) && !nodes.copies.test(neighbour)) next = {neighbour, l};
      }
    }
    if (next.none()) next.slot = highest_present();
    if (next.level == 0 && !next.none()) next.level = nodes.level(next.slot);
    // Sequentially consistent, as the clearing of `present`: whoever retires `next` meanwhile sees it here,
    // or is seen.
    entry.store(next.packed());
  }
}

Slot Graph::Impl::highest_present(Slot but) const {
  Slot best = kNoSlot;
  each_present([&](Slot slot) {
    if (slot == but || !nodes.linked.test(slot)) return;
    if (best == kNoSlot || nodes.level(slot) > nodes.level(best)) best = slot;
  });
  return best;
}

}  // namespace engram::hnsw
