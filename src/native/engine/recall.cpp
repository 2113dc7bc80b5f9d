// Reading: recall over queue and graph, get, and what tells about the store.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/pending_scan.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

// Found in the queue (memory) or in the graph (slot).
struct Candidate {
  float distance;
  std::uint64_t key;
  const PendingMemory* memory;
  hnsw::Slot slot;
  bool operator<(const Candidate& other) const {
    return distance != other.distance ? distance < other.distance : key < other.key;
  }
};

}  // namespace

// The k nearest of what the queue and the graph offer. A memory on its way from one to the other may come
// from both and is kept once, by its key.
struct Store::Merge {
  explicit Merge(std::size_t most) : k(most) {}

  void offer(const Candidate& candidate) {  // a heap of the k nearest, worst on top
    if (nearest.size() < k) {
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
    if (nearest.size() > k) nearest.resize(k);
  }

  std::size_t k;
  std::vector<Candidate> nearest;
  std::shared_ptr<const Queue::Blocks> blocks;  // what the candidates of the queue point into
  std::size_t searched = 0;
  std::size_t queued = 0;  // of them, in the queue
};

void Store::scan_queue(const float* cue, std::uint64_t snapshot, Merge& merge) const {
  const Timer timer(metrics_.recall_pending);
  PendingScan scan(*coder_, cue, snapshot, merge.k);
  for (const std::shared_ptr<Queue::Block>& block : *merge.blocks) scan.scan(*block);
  for (const PendingHit& hit : scan.nearest()) {
    merge.offer({hit.distance, hit.memory->key, hit.memory, hnsw::kNoSlot});
  }
  merge.searched += scan.scored();
  merge.queued = merge.searched;
}

void Store::walk_hot(const float* cue, std::size_t ef, std::uint64_t snapshot, Merge& merge) const {
  const Timer timer(metrics_.recall_hot);
  // What was scanned in the queue may come into the graph while it is walked: without room for it there, it
  // would push out of the answer what the graph alone holds.
  const std::size_t k = std::min(merge.k, graph_->size() + merge.queued);
  if (k == 0) return;
  thread_local std::vector<hnsw::Hit> hits;
  hits.resize(k);
  const std::size_t found = graph_->search(cue, k, ef, snapshot, nullptr, hits.data());
  for (std::size_t i = 0; i < found; ++i) {
    merge.nearest.push_back({hits[i].distance, graph_->born(hits[i].slot), nullptr, hits[i].slot});
  }
  merge.searched += graph_->size();
}

Recalled Store::recall(const float* cue, std::size_t k, std::size_t ef) const {
  const Use use = usable();
  const Timer timer(metrics_.recall);
  if (probe_.wanted()) probe_.offer(cue, manifest_.dim, ef);
  const auto begin = std::chrono::steady_clock::now();
  Recalled recalled;
  const Readers::Reading reading(readers_);
  Queue::View view = queue_.view();
  if (view.visible == 0) return recalled;
  const std::uint64_t snapshot = view.visible - 1;
  // The queue first: what leaves it meanwhile is already in the graph.
  Merge merge(k);
  merge.blocks = std::move(view.blocks);
  scan_queue(cue, snapshot, merge);
  walk_hot(cue, ef, snapshot, merge);
  merge.finish();
  recalled.hits.reserve(merge.nearest.size());
  for (const Candidate& hit : merge.nearest) {
    if (hit.memory != nullptr) {
      recalled.hits.push_back({std::string(hit.memory->id), hit.key, hit.distance, hit.memory->confidence});
    } else {
      const HotRow& row = rows_.at(hit.slot);
      recalled.hits.push_back({row.id, hit.key, hit.distance, row.confidence});
    }
  }
  recalled.searched = merge.searched;
  recalled.elapsed_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  return recalled;
}

std::vector<Recalled> Store::recall_many(const float* cues, std::size_t count, std::size_t k,
                                         std::size_t ef) const {
  const Use use = usable();
  std::vector<Recalled> all(count);
  parallel_for(count, 8, thread_count(options_.threads),
               [&](std::size_t, std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) all[i] = recall(cues + i * manifest_.dim, k, ef);
               });
  return all;
}

void Store::check_vector(const float* vector, std::optional<std::size_t> row) const {
  const float norm2 = simd::active().dot(vector, vector, manifest_.dim);
  const bool finite = std::isfinite(norm2);
  if (finite && (manifest_.metric != hnsw::Metric::kCosine || norm2 >= std::numeric_limits<float>::min()))
    return;
  const std::string which = row ? "the vector of row " + std::to_string(*row) : std::string("the vector");
  for (std::size_t i = 0; i < manifest_.dim; ++i) {
    if (!std::isfinite(vector[i])) {
      throw InvalidVector(which + " holds " + (std::isnan(vector[i]) ? "NaN" : "infinity") + " at position " +
                          std::to_string(i) + ": every element must be a finite number");
    }
  }
  throw InvalidVector(
      finite ? which +
                   " has length zero, which has no direction to compare under metric=\"cosine\": "
                   "leave it out, or use metric=\"l2\""
             : which + " is too long: its squared length overflows float32; scale the vectors down");
}

std::optional<Version> Store::get(std::string_view id) const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  const Place* place = ids_->find(id, [this](Place at) { return id_at(at); });
  if (place == nullptr) return std::nullopt;
  Version version;
  if (place->is_pending()) {
    const PendingMemory& memory = *place->memory();
    version.key = memory.key;
    version.vector.assign(memory.vector, memory.vector + manifest_.dim);
  } else {
    version.key = graph_->born(place->slot());
    version.vector.resize(manifest_.dim);
    graph_->copy_vector(place->slot(), version.vector.data());
  }
  return version;
}

std::optional<std::uint64_t> Store::key(std::string_view id) const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  const Place* place = ids_->find(id, [this](Place at) { return id_at(at); });
  return place == nullptr ? std::nullopt : std::optional(key_at(*place));
}

std::optional<Payload> Store::payload(std::string_view id, std::uint64_t key) const {
  const Use use = usable();
  {
    const std::shared_lock lock(table_mutex_);
    const Place* place = ids_->find(id, [this](Place at) { return id_at(at); });
    if (place == nullptr || key_at(*place) != key) return std::nullopt;
  }
  const Uncommitted::Found found = uncommitted_.find(key);
  if (found.memory == nullptr) return std::nullopt;
  const PendingMemory& memory = *found.memory;
  Payload payload{std::nullopt, std::nullopt, memory.confidence, memory.created_at};
  if (memory.content) payload.content.emplace(*memory.content);
  if (memory.metadata) payload.metadata.emplace(*memory.metadata);
  return payload;
}

bool Store::contains(std::string_view id) const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  return ids_->find(id, [this](Place at) { return id_at(at); }) != nullptr;
}

std::size_t Store::size() const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  return ids_->size();
}

std::vector<std::string> Store::ids() const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  std::vector<std::pair<std::uint64_t, std::string_view>> found;
  found.reserve(ids_->size());
  ids_->for_each([&](Place place) { found.emplace_back(key_at(place), id_at(place)); });
  std::sort(found.begin(), found.end());
  std::vector<std::string> ids;
  ids.reserve(found.size());
  for (const auto& [key, id] : found) ids.emplace_back(id);
  return ids;
}

}  // namespace engram::engine
