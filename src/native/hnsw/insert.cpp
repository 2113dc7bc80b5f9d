// Insertion: find the new node's neighbours by walking, choose among them by the paper's heuristic, link both
// ways.

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "hnsw/format.h"
#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

float mean_of(const float* vector, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += static_cast<double>(vector[i]);
  return static_cast<float>(sum / static_cast<double>(dim));
}

template <class T>
void raise_to(std::atomic<T>& most, T value) {
  T now = most.load(std::memory_order_relaxed);
  while (now < value && !most.compare_exchange_weak(now, value)) {
  }
}

// Of a full pool so many are expanded, the nearest: what is found by the others is too far to be chosen.
// Measured: docs/performance.md.
std::size_t expanded_of(std::size_t ef_construction) {
  constexpr std::size_t kAtLeast = 100;
  return std::max(kAtLeast, 2 * ef_construction / 3);
}

bool nearer(const Candidate& a, const Candidate& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.slot < b.slot);
}

}  // namespace

void Graph::Impl::copy_links(std::span<Slot> links, std::span<const Candidate> chosen) {
  for (std::size_t i = 0; i < links.size(); ++i)
    store_link(links[i], i < chosen.size() ? chosen[i].slot : kNoSlot);
}

// From the seed and the slot alone, so that it does not matter which thread came first.
std::size_t Graph::Impl::level_of(Slot slot) const {
  const std::uint64_t random = mix(options.seed + (std::uint64_t{slot} + 1) * 0x9E3779B97F4A7C15U);
  const double unit = (static_cast<double>(random >> 11) + 1) * 0x1p-53;  // (0, 1]
  const double level = -std::log(unit) / std::log(static_cast<double>(options.m));
  return std::min(static_cast<std::size_t>(level), format::kMostLevels);
}

Coding Graph::Impl::coding_of(const float* vector) const {
  return hnsw::coding_of(vector, options.dim, options.metric, shift);
}

Slot Graph::Impl::insert(const float* vector, std::uint64_t born, std::uint64_t dead_at) {
  const Epochs::Pin pin = epochs.pin();
  const Scratches::Lease scratch = scratches.lend();
  if (options.metric == Metric::kL2) {
    std::call_once(shift_chosen, [&] { shift = mean_of(vector, options.dim); });
  }
  if (tending_due.load(std::memory_order_relaxed)) tend(*scratch);
  const Slot slot = take_slot();
  nodes.write(slot, vector, coding_of(vector), born, dead_at);
  raise_to(youngest, born);
  nodes.present.set(slot);
  present.fetch_add(1, std::memory_order_relaxed);
  if (dead_at == kAlive) {
    nodes.alive.set(slot);
    alive.fetch_add(1, std::memory_order_relaxed);
  }
  link(slot, *scratch);
  return slot;
}

// A slot that was given back keeps its level: that does not depend on the vector.
Slot Graph::Impl::take_slot() {
  if (free_count.load(std::memory_order_relaxed) != 0) {
    const std::lock_guard lock(retiring);
    if (!free.empty()) {
      const Slot slot = free.back();
      free.pop_back();
      free_count.fetch_sub(1, std::memory_order_relaxed);
      return slot;
    }
  }
  // Reserved first: what is below `used` can be read, though memory may run out here.
  Slot slot = used.load(std::memory_order_acquire);
  do {
    if (slot >= kMaxSlots - 1024) throw InvalidInput("the graph is full: it holds 2^30 vectors at most");
    nodes.reserve(slot);
  } while (!used.compare_exchange_weak(slot, slot + 1, std::memory_order_acq_rel));
  nodes.raise(slot, level_of(slot));
  return slot;
}

// `instead_of`: a node about to retire, whose first copy the slot is and whose place it takes.
void Graph::Impl::link(Slot slot, Scratch& scratch, Slot instead_of) {
  const std::size_t level = nodes.level(slot);
  std::unique_lock<std::mutex> raise(raising, std::defer_lock);
  Entry from = entry_now();
  if (from.none() || level > from.level) {
    raise.lock();
    from = entry_now();
    if (from.none()) {
      nodes.linked.set(slot);
      entry.store(Entry{slot, level}.packed(), std::memory_order_release);
      return;
    }
    if (level <= from.level) raise.unlock();
  }

  const simd::CodeQuery query =
      query_of_code(nodes.code(slot), options.dim, options.metric, scratch.query.data());
  Nearest at = descend(bare_field(query, 0), from, level, used.load(std::memory_order_acquire), scratch);

  // Every list is chosen before any of them can be reached: a walk must not end in a node without links.
  const std::size_t top = std::min(level, from.level);
  scratch.lists.clear();
  for (std::size_t l = top + 1; l-- > 0;) {
    find_candidates(slot, bare_field(query, l), at, scratch);
    at = {scratch.pool.slot(0), scratch.pool.distance(0)};
    std::erase_if(scratch.candidates,
                  [&](const Candidate& candidate) { return candidate.slot == instead_of; });
    if (l == 0 && instead_of == kNoSlot && hang(slot, scratch)) return;
    // On level 0 there is room for more, and recall at an equal price gains by it.
    choose(scratch.candidates, l == 0 ? options.m + options.m / 2 : options.m, scratch);
    keep_few(std::min(options.m, kFewLinks), scratch);
    if (l != 0 || instead_of == kNoSlot) {
      copy_links(nodes.links(slot, l), scratch.kept);
    } else if (!step_in(slot, instead_of, scratch)) {
      return;
    }
    for (const Candidate& kept : scratch.kept) {
      scratch.lists.push_back(kept.slot);
      if (l == 0) nodes.add_link_to(kept.slot);
    }
    scratch.lists.push_back(kNoSlot);
  }
  // The lists lie from the top level down; links to the new node are made from level 0 up.
  std::size_t end = scratch.lists.size();
  for (std::size_t l = 0; l <= top; ++l) {
    std::size_t begin = end - 1;
    while (begin > 0 && scratch.lists[begin - 1] != kNoSlot) --begin;
    for (std::size_t i = begin; i + 1 < end; ++i) link_back(scratch.lists[i], slot, l, scratch, instead_of);
    end = begin;
  }
  nodes.linked.set(slot);
  judge_newcomer(slot, scratch);
  if (!raise.owns_lock()) {
    // Others may have retired all that it chose.
    for (int tries = 0; tries < 3 && nodes.links_leading_to(slot) == 0; ++tries) rescue(slot, scratch);
    return;
  }
  entry.store(Entry{slot, level}.packed());
  raise.unlock();
  if (!nodes.present.test(slot)) replace_entry(slot);  // who retired it meanwhile may not have seen it there
}

// Leaves in `scratch.candidates` the nodes nearest to the slot on a level, nearest first.
void Graph::Impl::find_candidates(Slot slot, const BareField& field, Nearest from, Scratch& scratch) const {
  const std::size_t ties = std::max<std::size_t>(options.ef_construction / 4, 8);
  scratch.pool.reset(options.ef_construction, options.ef_construction, ties,
                     expanded_of(options.ef_construction));
  scratch.visited.begin(used.load(std::memory_order_acquire));
  start_at(field, from.slot, Everything{}, scratch);
  walk(field, Everything{}, scratch);
  if (!take_candidates(slot, scratch) && scratch.pool.size() == options.ef_construction) {
    // Retired ones fill the pool: past them.
    const auto here = [this](Slot candidate) { return nodes.present.test(candidate); };
    scratch.pool.reset(kFewLinks, 16 * options.ef_construction, ties);
    scratch.visited.begin(used.load(std::memory_order_acquire));
    start_at(field, from.slot, here, scratch);
    walk(field, here, scratch);
    take_candidates(slot, scratch);
  }
}

// Leaves in `scratch.candidates` those of the pool that can be linked to; false when they are few.
bool Graph::Impl::take_candidates(Slot slot, Scratch& scratch) const {
  scratch.candidates.clear();
  for (std::size_t i = 0; i < scratch.pool.size(); ++i) {
    const Slot candidate = scratch.pool.slot(i);
    if (candidate == slot || !nodes.present.test(candidate) || nodes.copies.test(candidate)) continue;
    scratch.candidates.push_back({scratch.pool.distance(i), candidate});
  }
  return scratch.candidates.size() >= kFewLinks;
}

void Graph::Impl::choose(std::span<const Candidate> candidates, std::size_t most, Scratch& scratch) const {
  std::vector<Candidate>& kept = scratch.kept;
  std::vector<Candidate>& left = scratch.ranked;
  Gathered& codes = scratch.choosing;
  kept.clear();
  scratch.dropped.clear();
  left.assign(candidates.begin(), candidates.end());
  codes.grow_to(left.size());
  for (std::size_t i = 0; i < left.size(); ++i) codes.codes[i] = nodes.code(left[i].slot);
  std::size_t count = left.size();
  std::size_t run = 0;  // of candidates equally far: copies of one vector, which must not take every link
  while (count != 0 && kept.size() < most) {
    run = !kept.empty() && kept.back().distance == left[0].distance ? run + 1 : 1;
    kept.push_back(left[0]);
    const simd::CodeQuery query =
        query_of_code(codes.codes[0], options.dim, options.metric, scratch.other.data());
    kernels.score_codes(query, codes.codes.data() + 1, count - 1, options.dim, codes.distances.data());
    std::size_t stay = 0;
    for (std::size_t i = 1; i < count; ++i) {
      const float between = codes.distances[i - 1];
      const bool drop = between < left[i].distance || (run > most / 2 && between == left[i].distance);
      if (drop) scratch.dropped.push_back(left[i]);
      left[stay] = left[i];
      codes.codes[stay] = codes.codes[i];
      stay += drop ? 0 : 1;
    }
    count = stay;
  }
  scratch.dropped.insert(scratch.dropped.end(), left.begin(),
                         left.begin() + static_cast<std::ptrdiff_t>(count));
}

// Takes the nearest dropped ones back until `least` are kept. (Around a centre nearer to all than they are to
// each other everybody would link to the centre alone.)
void Graph::Impl::keep_few(std::size_t least, Scratch& scratch) {
  std::vector<Candidate>& kept = scratch.kept;
  if (kept.size() >= least) return;
  std::sort(scratch.dropped.begin(), scratch.dropped.end(), nearer);
  std::erase_if(scratch.dropped, [&](const Candidate& dropped) {
    if (kept.size() >= least || dropped.distance == kept.back().distance) return false;
    kept.push_back(dropped);
    return true;
  });
}

// Links a node to one that chose it; `instead_of`: a node that retires, whose place the new one takes.
void Graph::Impl::link_back(Slot node, Slot to, std::size_t level, Scratch& scratch, Slot instead_of) {
  const std::lock_guard lock(lock_of(node));
  if (!nodes.present.test(node) || nodes.copies.test(node)) return;
  const std::span<Slot> links = nodes.neighbours(node, level);
  for (Slot& link : links) {
    const Slot there = load_link(link);
    if (there == to) return;
    if (there == kNoSlot || there == instead_of) {
      store_link(link, to);
      if (level == 0) nodes.add_link_to(to);
      return;
    }
  }
  // Full: the node chooses anew among what it has and the newcomer.
  rank_links(node, links, to, scratch);
  choose(scratch.candidates, links.size(), scratch);
  if (level == 0) {
    nodes.add_link_to(to);
    keep_reachable(node, links.size(), scratch);
  }
  copy_links(links, scratch.kept);
}

// Leaves in `scratch.candidates` the node's links and the newcomer, nearest first.
void Graph::Impl::rank_links(Slot node, std::span<Slot> links, Slot newcomer, Scratch& scratch) const {
  Gathered& codes = scratch.choosing;
  codes.grow_to(links.size() + 1);
  std::size_t count = 0;
  for (const Slot& link : links) {
    codes.slots[count] = load_link(link);
    codes.codes[count] = nodes.code(codes.slots[count]);
    prefetch(codes.codes[count++], nodes.code_bytes());
  }
  codes.slots[count] = newcomer;
  codes.codes[count++] = nodes.code(newcomer);
  rank_gathered(node, count, scratch);
}

// Leaves in `scratch.candidates` the first `count` of scratch.choosing, nearest to the node first.
void Graph::Impl::rank_gathered(Slot node, std::size_t count, Scratch& scratch) const {
  Gathered& codes = scratch.choosing;
  const simd::CodeQuery query =
      query_of_code(nodes.code(node), options.dim, options.metric, scratch.query.data());
  kernels.score_codes(query, codes.codes.data(), count, options.dim, codes.distances.data());
  scratch.candidates.clear();
  for (std::size_t i = 0; i < count; ++i) scratch.candidates.push_back({codes.distances[i], codes.slots[i]});
  std::sort(scratch.candidates.begin(), scratch.candidates.end(), nearer);
}

// Under ip long vectors are the nearest of short ones, whatever their direction: were they to lead to all of
// them, they would lead to nothing else.
bool Graph::Impl::outshines(Slot node, Slot other) const {
  return options.metric == Metric::kIp && nodes.norm2(other) < nodes.norm2(node) / 2;
}

// Counts the links that this choice takes away from a node, and takes back what would leave one that nobody
// links to: into a free place, or for the farthest link whose node others link to as well.
void Graph::Impl::keep_reachable(Slot node, std::size_t most, Scratch& scratch) {
  for (const Candidate& dropped : scratch.dropped) {
    if (nodes.remove_link_to(dropped.slot)) continue;
    if (outshines(node, dropped.slot)) {
      nodes.lose_link_to(dropped.slot);
      continue;
    }
    if (scratch.kept.size() < most) {
      scratch.kept.push_back(dropped);
      continue;
    }
    for (std::size_t i = scratch.kept.size(); i-- > 0;) {
      if (!nodes.remove_link_to(scratch.kept[i].slot)) continue;
      scratch.kept[i] = dropped;
      break;
    }
  }
}

}  // namespace engram::hnsw
