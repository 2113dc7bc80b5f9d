// The same graph with its nodes in another order: those that are linked lie near each other, and what retired
// left no gaps.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <vector>

#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

// Every slot that is present, in the order of a breadth-first walk from the entry: what one node links to
// lies together, as a search reads it. Those that no path leads to come last.
std::vector<Slot> walk_order(const Graph::Impl& graph) {
  const std::uint32_t slots = graph.used.load(std::memory_order_acquire);
  std::vector<Slot> order;
  order.reserve(graph.present.load(std::memory_order_acquire));
  std::vector<bool> seen(slots);
  const auto see = [&](Slot slot) {
    if (seen[slot] || !graph.nodes.present.test(slot)) return;
    seen[slot] = true;
    order.push_back(slot);
  };
  if (const Entry entry = graph.entry_now(); !entry.none()) see(entry.slot);
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (const Slot& link : graph.nodes.level0(order[i])) {
      const Slot to = load_link(link);
      if (to == kNoSlot) break;
      see(to);
    }
  }
  graph.each_present(see);
  return order;
}

}  // namespace

// Does all that retired slots leave to be done. Nobody inserts or retires meanwhile. Waits for searches and
// pins until nothing has gone on for `patience`; false when that was not enough.
bool Graph::Impl::settle(Clock::duration patience) {
  for (Clock::time_point went_on = Clock::now(); Clock::now() - went_on < patience;) {
    {
      const Epochs::Pin pin = epochs.pin();
      const Scratches::Lease scratch = scratches.lend();
      tend(*scratch, 1);
      const std::lock_guard work(upkeep.mutex);
      const std::lock_guard lists(retiring);
      if (retired.empty() && upkeep.phase == Upkeep::Phase::kIdle) return true;
      const bool waits =
          upkeep.phase == Upkeep::Phase::kBeforeSweep || upkeep.phase == Upkeep::Phase::kAfterSweep;
      if (!waits) went_on = Clock::now();
    }
    std::this_thread::yield();
  }
  return false;
}

std::unique_ptr<Graph> Graph::in_walk_order() {
  impl_->settle(Clock::duration::max());
  std::vector<Slot> place;
  return impl_->laid_out(place, nullptr);
}

bool Graph::settle() {
  // A recall holds a pin from its beginning to its end, which may be a few reads of a disk away.
  constexpr std::chrono::milliseconds kPatience{20};
  return impl_->settle(kPatience);
}

std::unique_ptr<Graph> Graph::try_in_walk_order(std::vector<Slot>& place, Backing* backing) {
  return settle() ? impl_->laid_out(place, backing) : nullptr;
}

// `place` becomes, by slot, where it is in the other graph; kNoSlot: it was retired.
std::unique_ptr<Graph> Graph::Impl::laid_out(std::vector<Slot>& place, Backing* backing) const {
  const Impl& from = *this;
  const std::vector<Slot> order = walk_order(from);
  place.assign(used.load(std::memory_order_acquire), kNoSlot);
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<Slot>(i);

  auto graph = std::make_unique<Graph>(from.options, backing);
  Impl& to = *graph->impl_;
  for (Slot slot = 0; slot < order.size(); ++slot) {
    to.nodes.reserve(slot);
    to.nodes.raise(slot, from.nodes.level(order[slot]));
    to.nodes.copy(slot, from.nodes, order[slot]);
  }
  for (Slot slot = 0; slot < order.size(); ++slot) {
    const bool copy = to.nodes.copies.test(slot);
    for (std::size_t l = 0; l <= to.nodes.level(slot); ++l) {
      const std::span<Slot> links = to.nodes.links(slot, l);
      std::size_t count = 0;
      for (const Slot& link : from.nodes.links(order[slot], l)) {
        const Slot old = load_link(link);
        if (old == kNoSlot) break;
        if (place[old] == kNoSlot) continue;
        store_link(links[count++], place[old]);
        if (l == 0 && !copy && !to.nodes.copies.test(place[old])) to.nodes.add_link_to(place[old]);
      }
      for (; count < links.size(); ++count) store_link(links[count], kNoSlot);
    }
  }
  std::call_once(to.shift_chosen, [&] { to.shift = from.shift; });
  to.used.store(static_cast<std::uint32_t>(order.size()));
  to.present.store(static_cast<std::uint32_t>(order.size()));
  to.alive.store(from.alive.load());
  to.asked.store(from.asked.load());
  to.asked_off.store(from.asked_off.load());
  to.youngest.store(from.youngest.load());
  if (const Entry entry = from.entry_now(); !entry.none())
    to.entry.store(Entry{place[entry.slot], entry.level}.packed());
  return graph;
}

}  // namespace engram::hnsw
