// The way of a retired slot to its next use.
//
// Slots retire into a list. Once that is long enough it becomes the batch of the dying, and then, a little
// with each retirement or insertion that comes along:
//  1. wait until no insertion is left that began before: from then on no new link leads to any of them;
//  2. sweep all nodes: a link to a dying node is replaced by the best of that node's own neighbours;
//  3. let nodes that few but the dying linked to be linked to again;
//  4. follow all links, and link to what no path leads to (reach.cpp);
//  5. wait until no search is left that began before: nobody can stand on a dying node now. They are free.
// So the work is bounded at every call, no thread is needed, and every link to a slot is found, not most.

#include <algorithm>
#include <mutex>

#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

// A batch is one retired slot in this many: larger batches mend a node's lost links together, but hold more
// memory.
constexpr std::size_t kBatchShare = 32;
constexpr std::size_t kLeastBatch = 64;
// How much faster than slots retire the sweep goes.
constexpr std::size_t kHaste = 2;
constexpr std::size_t kMostCandidates = 96;
// A node that fewer links lead to than this is hard to find.
constexpr std::size_t kFewLinksTo = 8;
// How many candidates are tried for each lost link.
constexpr std::size_t kTriesEach = 6;

}  // namespace

void Graph::Impl::tend(Scratch& scratch) {
  const std::unique_lock lock(upkeep.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return;
  switch (upkeep.phase) {
    case Upkeep::Phase::kIdle: {
      const std::lock_guard lists(retiring);
      const std::size_t batch =
          std::max<std::size_t>(present.load(std::memory_order_relaxed) / kBatchShare, kLeastBatch);
      if (retired.size() < batch) return;
      upkeep.dying.swap(retired);
      for (const Slot slot : upkeep.dying) nodes.dying.set(slot);
      upkeep.stride = kHaste * used.load(std::memory_order_relaxed) / batch + 1;
      upkeep.epoch = epochs.advance();
      upkeep.phase = Upkeep::Phase::kBeforeSweep;
      tending_due.store(true, std::memory_order_relaxed);
      return;
    }
    case Upkeep::Phase::kBeforeSweep:
      // The caller's own pin is younger than the epoch.
      if (!epochs.passed(upkeep.epoch)) return;
      upkeep.cursor = 0;
      upkeep.end = used.load(std::memory_order_acquire);
      upkeep.phase = Upkeep::Phase::kSweep;
      [[fallthrough]];
    case Upkeep::Phase::kSweep:
      sweep(scratch);
      return;
    case Upkeep::Phase::kAdopt: {
      const std::size_t end = std::min<std::size_t>(upkeep.cursor + 2 * kHaste, upkeep.dying.size());
      for (; upkeep.cursor < end; ++upkeep.cursor) adopt_neighbours(upkeep.dying[upkeep.cursor], scratch);
      if (upkeep.cursor < upkeep.dying.size()) return;
      begin_reach();
      upkeep.phase = Upkeep::Phase::kReach;
      return;
    }
    case Upkeep::Phase::kReach:
      if (!reach(2 * upkeep.stride, scratch)) return;
      upkeep.epoch = epochs.advance();
      upkeep.phase = Upkeep::Phase::kAfterSweep;
      return;
    case Upkeep::Phase::kAfterSweep: {
      if (!epochs.passed(upkeep.epoch)) return;
      const std::lock_guard lists(retiring);
      for (const Slot slot : upkeep.dying) {
        nodes.dying.clear(slot);
        nodes.leaving.clear(slot);
      }
      free.insert(free.end(), upkeep.dying.rbegin(), upkeep.dying.rend());
      free_count.fetch_add(static_cast<std::uint32_t>(upkeep.dying.size()), std::memory_order_acq_rel);
      upkeep.dying.clear();
      upkeep.phase = Upkeep::Phase::kIdle;
      sweeps.fetch_add(1, std::memory_order_relaxed);
      tending_due.store(false, std::memory_order_relaxed);
      return;
    }
  }
}

void Graph::Impl::sweep(Scratch& scratch) {
  const auto end = static_cast<Slot>(std::min<std::size_t>(upkeep.cursor + upkeep.stride, upkeep.end));
  for (; upkeep.cursor < end; ++upkeep.cursor) {
    const Slot slot = upkeep.cursor;
    if (nodes.present.test(slot)) {
      for (std::size_t l = 0; l <= nodes.level(slot); ++l) mend_links(slot, l, scratch);
    } else if (nodes.leaving.test(slot)) {
      for (std::size_t l = 0; l <= nodes.level(slot); ++l) strip_links(slot, l);
    }
  }
  if (upkeep.cursor < upkeep.end) return;
  upkeep.cursor = 0;
  upkeep.phase = Upkeep::Phase::kAdopt;
}

// A retired node that is walked through still must not lead to a slot about to be used again.
void Graph::Impl::strip_links(Slot node, std::size_t level) {
  const std::lock_guard lock(lock_of(node));
  const std::span<Slot> links = nodes.links(node, level);
  std::size_t stay = 0;
  for (const Slot& link : links) {
    const Slot there = load_link(link);
    if (there == kNoSlot) break;
    if (!nodes.dying.test(there)) store_link(links[stay++], there);
  }
  for (; stay < links.size(); ++stay) store_link(links[stay], kNoSlot);
}

void Graph::Impl::mend_links(Slot node, std::size_t level, Scratch& scratch) {
  const auto is_gone = [this](const Slot& link) {
    const Slot there = load_link(link);
    return there != kNoSlot && nodes.dying.test(there);
  };
  const std::span<Slot> all = nodes.links(node, level);
  if (std::none_of(all.begin(), all.end(), is_gone)) return;

  const std::lock_guard lock(lock_of(node));
  const std::span<Slot> links = nodes.neighbours(node, level);
  Gathered& codes = scratch.choosing;
  codes.grow_to(kMostCandidates + links.size());
  scratch.visited.begin(used.load(std::memory_order_acquire));
  scratch.visited.mark(node);
  std::vector<Slot>& stay = scratch.lists;
  std::vector<Slot>& gone = scratch.others;
  stay.clear();
  gone.clear();
  for (const Slot& link : links) {
    const Slot there = load_link(link);
    if (there == kNoSlot) break;
    scratch.visited.mark(there);
    (nodes.dying.test(there) ? gone : stay).push_back(there);
  }
  std::size_t count = 0;
  for (const Slot lost : gone) {
    for (const Slot& beyond : nodes.links(lost, level)) {
      const Slot candidate = load_link(beyond);
      if (candidate == kNoSlot || count == kMostCandidates) break;
      if (!nodes.present.test(candidate) || nodes.copies.test(candidate)) continue;
      if (scratch.visited.mark(candidate)) continue;
      codes.slots[count] = candidate;
      codes.codes[count] = nodes.code(candidate);
      prefetch(codes.codes[count++], nodes.code_bytes());
    }
  }
  rank_gathered(node, count, scratch);
  replace_links(stay, gone.size(), level, scratch);
  for (std::size_t i = 0; i < links.size(); ++i) store_link(links[i], i < stay.size() ? stay[i] : kNoSlot);
  mended.fetch_add(1, std::memory_order_relaxed);
}

// Adds to `stay` the nearest of scratch.candidates that are nearer to the node than to any link it has: no
// more than it lost. Where few pass, the nearest do all the same.
void Graph::Impl::replace_links(std::vector<Slot>& stay, std::size_t most, std::size_t level,
                                Scratch& scratch) {
  Gathered& codes = scratch.choosing;
  const std::size_t end = stay.size() + most;
  for (std::size_t i = 0; i < stay.size(); ++i) codes.codes[i] = nodes.code(stay[i]);
  std::size_t tries = kTriesEach * most;
  for (const Candidate& candidate : scratch.candidates) {
    if (stay.size() == end || tries-- == 0) break;
    const simd::CodeQuery query =
        query_of_code(nodes.code(candidate.slot), options.dim, options.metric, scratch.other.data());
    kernels.score_codes(query, codes.codes.data(), stay.size(), options.dim, codes.distances.data());
    const auto scored = codes.distances.begin() + static_cast<std::ptrdiff_t>(stay.size());
    const bool covered = std::any_of(codes.distances.begin(), scored,
                                     [&](float distance) { return distance < candidate.distance; });
    if (covered && stay.size() >= options.m / 2) continue;
    codes.codes[stay.size()] = nodes.code(candidate.slot);
    stay.push_back(candidate.slot);
    if (level == 0) nodes.add_link_to(candidate.slot);
  }
}

// The links of a dying node are lost; who has few others is linked to by its own neighbours.
void Graph::Impl::adopt_neighbours(Slot dying, Scratch& scratch) {
  if (nodes.copies.test(dying)) return;
  for (const Slot& link : nodes.level0(dying)) {
    const Slot neighbour = load_link(link);
    if (neighbour == kNoSlot) return;
    nodes.lose_link_to(neighbour);
    if (!nodes.present.test(neighbour) || nodes.links_leading_to(neighbour) >= kFewLinksTo) continue;
    for (const Slot& to : nodes.neighbours(neighbour, 0)) {
      const Slot there = load_link(to);
      if (there == kNoSlot || nodes.links_leading_to(neighbour) >= kFewLinksTo) break;
      link_back(there, neighbour, 0, scratch);
    }
  }
}

}  // namespace engram::hnsw
