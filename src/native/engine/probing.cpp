// Measures the recall of the store as it is: a cue that was recalled with is searched exactly. In what is in
// RAM alone, the queue and the hot graph: the lower tiers would have to be read from the disk whole for each
// cue.
#include <algorithm>

#include "base/parallel.h"
#include "base/thread_time.h"
#include "engine/pending_scan.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

// The nearest of all that is offered, each once.
class Nearest {
 public:
  struct Each {
    float distance;
    std::uint64_t key;
    const PendingMemory* memory;  // or null, and
    hnsw::Slot slot;
    bool operator<(const Each& other) const {
      return distance != other.distance ? distance < other.distance : key < other.key;
    }
  };

  void offer(const Each& each) {
    if (all_.size() == Probe::kNearest && !(each < all_.back())) return;
    const auto at = std::lower_bound(all_.begin(), all_.end(), each);
    if (std::any_of(all_.begin(), all_.end(), [&](const Each& other) { return other.key == each.key; }))
      return;
    all_.insert(at, each);
    if (all_.size() > Probe::kNearest) all_.pop_back();
  }
  const std::vector<Each>& all() const { return all_; }

 private:
  std::vector<Each> all_;  // ascending
};

}  // namespace

std::optional<double> Store::probe(Seconds timeout) {
  const std::optional<Probe::Cue> cue = probe_.wait(timeout);
  if (!cue) return std::nullopt;
  const Use use = usable();
  double seconds = 0;
  const auto work = [&](std::size_t, std::size_t, std::size_t) {
    const double begin = thread_seconds();
    compare(*cue);
    seconds = thread_seconds() - begin;
  };
  parallel_for(1, 1, 1, work, Priority::kBackground);
  return seconds;
}

// The exact answer first: what the recall, which is later, lacks of it is a miss only if nothing nearer has
// taken its place meanwhile, and if it was not replaced or forgotten.
void Store::compare(const Probe::Cue& cue) {
  Nearest nearest;
  const Readers::Reading reading(readers_);
  const Queue::View view = queue_.view();
  if (view.visible == 0) return;
  const std::uint64_t snapshot = view.visible - 1;
  PendingScan scan(*coder_, cue.vector.data(), snapshot, Probe::kNearest);
  for (const auto& block : *view.blocks) scan.scan(*block);
  for (const PendingHit& hit : scan.nearest()) {
    nearest.offer({hit.distance, hit.memory->key, hit.memory, hnsw::kNoSlot});
  }
  std::vector<float> vector(manifest_.dim);
  graph_->each_present([&](hnsw::Slot slot) {
    if (graph_->born(slot) > snapshot || graph_->dead_at(slot) <= snapshot) return;
    graph_->copy_vector(slot, vector.data());
    nearest.offer({coder_->distance(cue.vector.data(), vector.data()), graph_->born(slot), nullptr, slot});
  });
  const auto gone = [&](const Nearest::Each& each) {
    const bool moved = each.memory != nullptr && each.memory->stage.load() == Stage::kInGraph;
    if (each.memory != nullptr && !moved) return each.memory->dead_at.load() != hnsw::kAlive;
    return graph_->dead_at(moved ? each.memory->slot : each.slot) != hnsw::kAlive;
  };
  const RecallOptions hot{
      .k = Probe::kNearest, .ef = cue.ef, .tiers = {true, false, false}, .by_somebody = false};
  const Recalled recalled = recall(cue.vector.data(), hot);
  std::size_t found = 0;
  std::size_t missed = 0;
  for (const Nearest::Each& each : nearest.all()) {
    const auto is = [&](const Found& hit) { return hit.key == each.key; };
    if (std::any_of(recalled.hits.begin(), recalled.hits.end(), is)) {
      ++found;
    } else if (recalled.hits.size() < Probe::kNearest || each.distance < recalled.hits.back().distance) {
      missed += gone(each) ? 0 : 1;
    }
  }
  probe_.add(found, found + missed);
}

}  // namespace engram::engine
