// Recall: the queue, the hot graph and the segments of the lower tiers, merged.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/per_thread.h"
#include "base/thread_time.h"
#include "engine/pending_scan.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

using Clock = std::chrono::steady_clock;

// Found in the queue (memory), in a segment (segment and row), or in the graph (slot).
struct Candidate {
  float distance;
  std::uint64_t key;
  const PendingMemory* memory;
  const TierSegment* segment;
  std::uint32_t number;  // row or slot

  bool operator<(const Candidate& other) const {
    return distance != other.distance ? distance < other.distance : key < other.key;
  }
  Tier tier() const { return segment == nullptr ? Tier::kHot : segment->tier(); }
};

// What a recall needs besides its answer: kept by the thread, for the next one.
struct Kept {
  std::vector<hnsw::Hit> hot;
  std::vector<tier::Hit> lower;
  std::vector<tier::Row> rows;
};

Kept& kept() {
  static auto& each = PerThread<Kept>::make();
  return each.get();
}

// When a tier that begins now has to end.
Clock::time_point deadline_of(const RecallOptions& options, Tier tier, Clock::time_point begin) {
  const auto after = [](Clock::time_point from, double microseconds) {
    // A wait of a day is no different from a longer one, and fits every clock.
    constexpr double kDay = 86'400e6;
    if (!(microseconds < kDay)) return Clock::time_point::max();
    return from + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double, std::micro>(std::max(0.0, microseconds)));
  };
  return std::min(after(Clock::now(), options.budgets_us[static_cast<std::size_t>(tier)]),
                  after(begin, options.total_us));
}

// How many of these, which are in order, are a memory that another of them is: at the same distance, so they
// lie side by side.
std::size_t doubles_among(const hnsw::Graph& graph, std::span<const hnsw::Hit> hits) {
  std::size_t doubles = 0;
  for (std::size_t i = 1; i < hits.size(); ++i) {
    if (hits[i].distance != hits[i - 1].distance) continue;
    doubles += graph.born(hits[i].slot) == graph.born(hits[i - 1].slot) ? 1 : 0;
  }
  return doubles;
}

// Appends a hit of a segment; false when its id cannot be read. A damaged page of ids takes no more away than
// the memories whose ids it held.
bool name_row(const TierSegment& segment, tier::Row row, const IdTable& ids, const Found& unnamed,
              Recalled& recalled) {
  try {
    Found hit = unnamed;
    hit.id = segment.id(row, ids);
    hit.confidence = segment.file->confidence(row);
    recalled.hits.push_back(std::move(hit));
    return true;
  } catch (const CorruptionError& error) {
    if (recalled.damage.empty()) recalled.damage = error.what();
    ++recalled.tiers[static_cast<std::size_t>(unnamed.tier)].unnamed;
    return false;
  }
}

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

}  // namespace

// The k nearest of what queue, graph and segments offer. A memory on its way from one to another may come
// from both and is kept once, by its key.
struct Store::Merge {
  Merge(const RecallOptions& how, Queue::View&& from)
      : options(how), begin(Clock::now()), view(std::move(from)), snapshot(view.visible - 1) {}

  void offer(const Candidate& candidate) {  // a heap of the k nearest, worst on top
    if (nearest.size() < options.k) {
      nearest.push_back(candidate);
      std::push_heap(nearest.begin(), nearest.end());
    } else if (candidate < nearest.front()) {
      std::pop_heap(nearest.begin(), nearest.end());
      nearest.back() = candidate;
      std::push_heap(nearest.begin(), nearest.end());
    }
  }

  void finish() {
    std::sort(nearest.begin(), nearest.end(),
              [](const Candidate& a, const Candidate& b) { return a.key < b.key; });
    const auto doubles = std::unique(nearest.begin(), nearest.end(),
                                     [](const Candidate& a, const Candidate& b) { return a.key == b.key; });
    nearest.erase(doubles, nearest.end());
    std::sort(nearest.begin(), nearest.end());
    if (nearest.size() > options.k) nearest.resize(options.k);
  }

  TierSearch& of(Tier tier) { return tiers[static_cast<std::size_t>(tier)]; }

  const RecallOptions& options;
  const Clock::time_point begin;
  const Queue::View view;  // what the candidates point into
  const std::uint64_t snapshot;
  std::vector<Candidate> nearest;
  std::array<TierSearch, kTiers> tiers;
  std::size_t queued = 0;  // memories found in the queue
};

void Store::scan_queue(const float* cue, Merge& merge) const {
  const Timer timer(metrics_.recall_pending);
  PendingScan scan(*coder_, cue, merge.snapshot, merge.options.k);
  for (const std::shared_ptr<Queue::Block>& block : *merge.view.blocks) scan.scan(*block);
  for (const PendingHit& hit : scan.nearest()) {
    merge.offer({hit.distance, hit.memory->key, hit.memory, nullptr, hnsw::kNoSlot});
  }
  merge.queued = scan.scored();
}

void Store::walk_hot(const float* cue, Merge& merge) const {
  const Timer timer(metrics_.recall_hot);
  // What was scanned in the queue, or is looked for in a segment later, may come into the graph while it is
  // walked: without room for it there, it would push out of the answer what the graph alone holds.
  std::size_t elsewhere = merge.queued;
  for (const auto& segment : merge.view.tiers->segments) elsewhere += segment->file->rows();
  const std::size_t wanted = std::min(merge.options.k, graph_->size() + elsewhere);
  if (wanted == 0) return;
  std::vector<hnsw::Hit>& hits = kept().hot;
  // A memory that went down and has come up again lies in the graph twice while an older recall is under way,
  // and this one may count both: more is asked for until doubles push nobody out.
  std::size_t found = 0;
  for (std::size_t k = wanted;;) {
    hits.resize(k);
    found = graph_->search(cue, k, merge.options.ef, merge.snapshot, nullptr, hits.data());
    const std::size_t doubles = doubles_among(*graph_, std::span(hits).first(found));
    if (found < k || found - doubles >= wanted) break;
    k = wanted + 2 * doubles;
  }
  for (std::size_t i = 0; i < found; ++i) {
    const hnsw::Slot slot = hits[i].slot;
    merge.nearest.push_back({hits[i].distance, graph_->born(slot), nullptr, nullptr, slot});
  }
}

// Whether nothing is left for the walk, which ends by itself in a fraction of a millisecond. The tier's own
// budget is of work: a thread that waited its turn for a processor must not answer without what is in RAM.
bool Store::hot_is_over(const Merge& merge, double begun) {
  if (microseconds_since(merge.begin) >= merge.options.total_us) return true;
  return (thread_seconds() - begun) * 1e6 >= merge.options.budgets_us[0];
}

void Store::search_hot(const float* cue, Merge& merge) const {
  TierSearch& did = merge.of(Tier::kHot);
  did.asked = true;
  const Clock::time_point begin = Clock::now();
  const double begun = thread_seconds();
  // The queue first, and all of it: what leaves it meanwhile is already in the graph.
  scan_queue(cue, merge);
  did.searched = merge.queued;
  did.truncated = hot_is_over(merge, begun) && graph_->size() != 0;
  if (!did.truncated) {
    walk_hot(cue, merge);
    did.searched += graph_->size();
  }
  did.elapsed_us = microseconds_since(begin);
}

void Store::search_tier(Tier tier, const float* cue, Merge& merge) const {
  TierSearch& did = merge.of(tier);
  did.asked = true;
  const Clock::time_point begin = Clock::now();
  TierCounters& counters = counters_[static_cast<std::size_t>(tier)];
  tier::Query query{cue, 0, merge.options.ef, deadline_of(merge.options, tier, merge.begin)};
  std::vector<tier::Hit>& hits = kept().lower;
  for (const auto& segment : merge.view.tiers->segments) {
    if (segment->tier() != tier) continue;
    // Of all rows, not of those that count now: more may come to life while it is searched.
    query.k = std::min(merge.options.k, segment->file->rows());
    hits.resize(query.k);
    const tier::Found found =
        segment->file->search(query, tier::LiveTest{segment->live, merge.snapshot}, hits.data());
    for (std::size_t i = 0; i < found.count; ++i) {
      const tier::Row row = hits[i].row;
      merge.nearest.push_back({hits[i].distance, segment->keys[row], nullptr, segment.get(), row});
    }
    did.searched += segment->live.live_count();
    did.truncated = did.truncated || found.truncated;
    counters.pages_read.fetch_add(found.pages_read, std::memory_order_relaxed);
    counters.pages_hit.fetch_add(found.pages_hit, std::memory_order_relaxed);
  }
  did.elapsed_us = microseconds_since(begin);
}

// Asks the disk for the ids of all hits at once, before they are read one by one.
void Store::will_need(const Merge& merge) {
  std::vector<tier::Row>& rows = kept().rows;
  for (const auto& segment : merge.view.tiers->segments) {
    rows.clear();
    for (const Candidate& hit : merge.nearest) {
      if (hit.segment == segment.get()) rows.push_back(hit.number);
    }
    if (!rows.empty()) segment->file->will_need(rows);
  }
}

void Store::name_hits(const Merge& merge, Recalled& recalled) const {
  will_need(merge);
  recalled.hits.reserve(merge.nearest.size());
  for (const Candidate& hit : merge.nearest) {
    SharedActivation* activation = nullptr;
    if (hit.memory != nullptr) {
      recalled.hits.push_back(
          {std::string(hit.memory->id), hit.key, hit.distance, hit.memory->confidence, Tier::kHot});
      activation = &hit.memory->activation;
    } else if (hit.segment != nullptr) {
      const Found unnamed{{}, hit.key, hit.distance, 0, hit.tier()};
      if (!name_row(*hit.segment, hit.number, *ids_, unnamed, recalled)) continue;
      activation = &hit.segment->activations[hit.number];
    } else {
      const HotRow& row = rows_.at(hit.number);
      recalled.hits.push_back({row.id, hit.key, hit.distance, row.confidence, Tier::kHot});
      activation = &row.activation;
    }
    if (merge.options.by_somebody) touch(*activation, merge.options.now);
    ++recalled.tiers[static_cast<std::size_t>(hit.tier())].found;
  }
}

void Store::count(const Recalled& recalled) const {
  for (std::size_t tier = 0; tier < kTiers; ++tier) {
    const TierSearch& did = recalled.tiers[tier];
    if (!did.asked) continue;
    TierCounters& counters = counters_[tier];
    counters.recalls.fetch_add(1, std::memory_order_relaxed);
    counters.hits.fetch_add(did.found, std::memory_order_relaxed);
    counters.truncated.fetch_add(did.truncated ? 1 : 0, std::memory_order_relaxed);
    counters.unnamed.fetch_add(did.unnamed, std::memory_order_relaxed);
    counters.latencies.add(did.elapsed_us);
  }
}

// Threads that recall without a pause would keep those who store from the processor for a slice of the
// scheduler each time the disk has done its part. One that stores alone is left to the scheduler: whoever
// yields to it has lost the rest of a turn to whatever else waits.
void Store::make_way() const {
  if (writing_.load(std::memory_order_relaxed) > 1) std::this_thread::yield();
}

Recalled Store::recall(const float* cue, const RecallOptions& options) const {
  const Use use = usable();
  const Timer timer(metrics_.recall);
  if (options.by_somebody && probe_.wanted()) probe_.offer(cue, manifest_.dim, options.ef);
  const Occupancy::Stay stay(recalling_);
  const Readers::Reading reading(readers_);
  // What the walk finds is named at the end, and no slot of it may be another memory's by then.
  const hnsw::Graph::Guard pin = graph_->pin();
  Recalled recalled;
  Queue::View view = queue_.view();
  if (view.visible == 0) return recalled;
  Merge merge(options, std::move(view));
  if (options.tiers[0]) search_hot(cue, merge);
  if (options.tiers[1]) search_tier(Tier::kWarm, cue, merge);
  if (options.tiers[2]) search_tier(Tier::kCold, cue, merge);
  merge.finish();
  recalled.tiers = merge.tiers;
  name_hits(merge, recalled);
  if (options.by_somebody) {
    count(recalled);
    if (!recalled_.load(std::memory_order_relaxed)) recalled_.store(true, std::memory_order_relaxed);
    make_way();
  }
  return recalled;
}

std::vector<Recalled> Store::recall_many(const float* cues, std::size_t count,
                                         const RecallOptions& options) const {
  const Use use = usable();
  std::vector<Recalled> all(count);
  parallel_for(count, 8, thread_count(options_.threads),
               [&](std::size_t, std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) all[i] = recall(cues + i * manifest_.dim, options);
               });
  return all;
}

}  // namespace engram::engine
