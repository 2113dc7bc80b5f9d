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
// How many of the dying are looked through for the living.
constexpr std::size_t kMostThrough = 256;
// A node that fewer links lead to than this is hard to find.
constexpr std::size_t kFewLinksTo = 8;
// How many candidates are tried for each lost link.
constexpr std::size_t kTriesEach = 6;

}  // namespace

std::size_t Graph::Impl::least_batch() const {
  return std::max<std::size_t>(present.load(std::memory_order_relaxed) / kBatchShare, kLeastBatch);
}

// Begins with the next batch once `least` slots are retired.
void Graph::Impl::tend(Scratch& scratch, std::size_t least) {
  const std::unique_lock lock(upkeep.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return;
  switch (upkeep.phase) {
    case Upkeep::Phase::kIdle: {
      const std::lock_guard lists(retiring);
      if (retired.size() < least) return;
      upkeep.dying.swap(retired);
      for (const Slot slot : upkeep.dying) nodes.dying.set(slot);
      upkeep.stride = kHaste * used.load(std::memory_order_relaxed) / upkeep.dying.size() + 1;
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
    // A retired node of the next batch is walked through still: it must not lead to a slot about to be used
    // again, and once it dies itself, its links must lead on.
    const bool here = nodes.present.test(slot) || nodes.leaving.test(slot);
    if (!here || nodes.dying.test(slot) || nodes.copies.test(slot)) continue;
    bool alone = false;
    for (std::size_t l = 0; l <= nodes.level(slot); ++l) alone |= !mend_links(slot, l, scratch) && l == 0;
    if (alone && nodes.present.test(slot)) relink(slot, scratch);
  }
  if (upkeep.cursor < upkeep.end) return;
  upkeep.cursor = 0;
  upkeep.phase = Upkeep::Phase::kAdopt;
}

// Puts others in the place of links to dying nodes; false when the node is left without any.
bool Graph::Impl::mend_links(Slot node, std::size_t level, Scratch& scratch) {
  const auto is_gone = [this](const Slot& link) {
    const Slot there = load_link(link);
    return there != kNoSlot && nodes.dying.test(there);
  };
  const std::span<Slot> all = nodes.links(node, level);
  if (std::none_of(all.begin(), all.end(), is_gone)) return true;

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
  const std::size_t lost = gone.size();
  std::size_t count = 0;
  // Where whole neighbourhoods die at once, the way to the living leads through more than one of the dying.
  for (std::size_t i = 0; i < gone.size() && (i < lost || count < 2 * lost); ++i) {
    for (const Slot& beyond : nodes.links(gone[i], level)) {
      const Slot candidate = load_link(beyond);
      if (candidate == kNoSlot || count == kMostCandidates) break;
      if (nodes.copies.test(candidate) || scratch.visited.mark(candidate)) continue;
      if (nodes.dying.test(candidate) && gone.size() < kMostThrough) gone.push_back(candidate);
      if (!nodes.present.test(candidate)) continue;
      codes.slots[count] = candidate;
      codes.codes[count] = nodes.code(candidate);
      prefetch(codes.codes[count++], nodes.code_bytes());
    }
  }
  rank_gathered(node, count, scratch);
  replace_links(stay, lost, level, scratch);
  for (std::size_t i = 0; i < links.size(); ++i) store_link(links[i], i < stay.size() ? stay[i] : kNoSlot);
  mended.fetch_add(1, std::memory_order_relaxed);
  return !stay.empty();
}

// Links a node anew, both ways, that has lost all links.
void Graph::Impl::relink(Slot slot, Scratch& scratch) {
  Slot start = entry_now().slot;
  if (start == slot) start = highest_present(slot);
  if (start == kNoSlot) return;
  const simd::CodeQuery query =
      query_of_code(nodes.code(slot), options.dim, options.metric, scratch.query.data());
  find_candidates(slot, bare_field(query, 0), {start, 0}, scratch);
  choose(scratch.candidates, options.m, scratch);
  keep_few(std::min(options.m, kFewLinks), scratch);
  scratch.lists.clear();
  for (const Candidate& kept : scratch.kept) scratch.lists.push_back(kept.slot);
  for (const Slot to : scratch.lists) {
    link_back(slot, to, 0, scratch);
    link_back(to, slot, 0, scratch);
  }
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
