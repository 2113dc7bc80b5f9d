// Search: walk (or, in a small set, scan) on the codes, then rank the best again on the full vectors.

#include <algorithm>
#include <limits>
#include <utility>

#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

using Keep = Graph::Keep;

// Below this many live slots a scan of all codes beats the walk.
constexpr std::size_t kScanBelow = 1000;
// A walk of breadth ef scores some dozens of codes for each candidate, at several times a scan's price.
constexpr std::size_t kScanPerBreadth = 40;
// Where the codes' ranking is refined: how much of it beyond k. Measured: docs/performance.md.
constexpr std::size_t refined(std::size_t k) {
  return k + k / 2 + 5;
}
// Beyond this a sorted pool costs more than ranking every vector.
constexpr std::size_t kLargestPool = 4096;
// How far ahead of the scoring of a list of slots their codes are asked for.
constexpr std::size_t kScanAhead = 64;

struct AtSnapshotKept {
  AtSnapshot at;
  const Keep& keep;
  bool operator()(Slot slot) const { return at(slot) && keep(slot); }
};

// One search, its parts in the order they run.
template <class Counts>
class Search {
 public:
  Search(const Graph::Impl& graph, Scratch& scratch, const float* vector, std::size_t k, std::size_t ef,
         std::size_t slots, const Counts& counts, double share)
      : graph_(graph),
        scratch_(scratch),
        vector_(vector),
        k_(k),
        ef_(ef),
        slots_(slots),
        counts_(counts),
        share_(share) {}

  // `holds` is what every hit is tested by once more at the end: others may have changed meanwhile.
  template <class Holds>
  std::size_t run(const Holds& holds, Hit* out) {
    if (ef_ > kLargestPool) return rank_everything(holds, out);
    prepare();
    // What is alive counts, not what was: a graph of which little is left is scanned, and exactly.
    const std::size_t alive = graph_.alive.load(std::memory_order_relaxed);
    if (alive > kScanBelow && alive > ef_ * kScanPerBreadth && walk_graph()) {
      const std::size_t found = refine(holds, out);
      if (found == k_) return found;
    }
    scan([&](const auto& see) { graph_.each_present(see); });
    return refine(holds, out);
  }

  // Scores the codes of these alone.
  template <class Holds>
  std::size_t run_among(std::span<const Slot> among, const Holds& holds, Hit* out) {
    if (ef_ > kLargestPool) return rank_these(among, holds, out);
    prepare();
    scan([&](const auto& see) {
      for (std::size_t i = 0; i < among.size(); ++i) {
        if (i + kScanAhead < among.size()) {
          prefetch(graph_.nodes.code(among[i + kScanAhead]), graph_.nodes.code_bytes());
        }
        see(among[i]);
      }
    });
    return refine(holds, out);
  }

 private:
  void prepare() {
    query_ = encode_query(vector_, graph_.options.dim, graph_.coding_of(vector_), graph_.options.metric,
                          scratch_.query.data());
  }

  bool walk_graph() {
    const Entry from = graph_.entry_now();
    if (from.none()) return false;
    Nearest at{from.slot, score_one(graph_.field(query_, 0), from.slot)};
    for (std::size_t l = from.level; l > 0; --l) at = descend(graph_.field(query_, l), at, scratch_.gathered);
    const Field field = graph_.field(query_, 0);
    scratch_.pool.reset(ef_, std::is_same_v<Counts, Everything> ? ef_ : room(),
                        std::max(ef_ / 2, refined(k_)));
    scratch_.visited.begin(slots_);
    start_at(field, at.slot, counts_, scratch_);
    walk(field, counts_, scratch_);
    return true;
  }

  // Room for those that do not count, so that k of those that do are found all but certainly: else all are
  // scanned.
  std::size_t room() const {
    const auto few = static_cast<std::size_t>(4 * static_cast<double>(k_) / std::max(share_, 1e-3));
    return std::max(4 * ef_ + 64, std::min(few, 4 * kLargestPool));
  }

  // Scores the codes of all that count of those that each_slot(see) names.
  template <class EachSlot>
  void scan(const EachSlot& each_slot) {
    const Field field = graph_.field(query_, 0);
    Gathered& gathered = scratch_.gathered;
    const std::size_t batch = 64;
    std::size_t count = 0;
    const std::size_t breadth = refined(k_);
    scratch_.pool.reset(breadth, breadth, breadth);
    each_slot([&](Slot slot) {
      if (!counts_(slot)) return;
      gathered.slots[count] = slot;
      gathered.codes[count] = graph_.nodes.code(slot);
      if (++count == batch) admit(field, std::exchange(count, 0), Everything{}, scratch_.pool, gathered);
    });
    if (count != 0) admit(field, count, Everything{}, scratch_.pool, gathered);
  }

  template <class Holds>
  std::size_t refine(const Holds& holds, Hit* out) {
    const Pool& pool = scratch_.pool;
    std::vector<Candidate>& ranked = scratch_.ranked;
    const std::size_t most = refined(k_);
    ranked.clear();
    for (std::size_t i = 0; i < pool.size() && ranked.size() < most; ++i) {
      if (!pool.counts(i)) continue;
      const Slot slot = pool.slot(i);
      prefetch(graph_.nodes.vector(slot), graph_.options.dim * sizeof(float));
      ranked.push_back({0.0F, slot});
    }
    std::erase_if(ranked, [&](const Candidate& candidate) { return !holds(candidate.slot); });
    return rank(out);
  }

  template <class Holds>
  std::size_t rank_everything(const Holds& holds, Hit* out) {
    scratch_.ranked.clear();
    graph_.each_present([&](Slot slot) {
      if (holds(slot)) scratch_.ranked.push_back({0.0F, slot});
    });
    return rank(out);
  }

  template <class Holds>
  std::size_t rank_these(std::span<const Slot> among, const Holds& holds, Hit* out) {
    scratch_.ranked.clear();
    for (const Slot slot : among) {
      if (holds(slot)) scratch_.ranked.push_back({0.0F, slot});
    }
    return rank(out);
  }

  // The k nearest of scratch.ranked on full vectors, ties by label.
  std::size_t rank(Hit* out) {
    std::vector<Candidate>& ranked = scratch_.ranked;
    scratch_.floats.resize(graph_.options.dim);
    for (Candidate& candidate : ranked) candidate.distance = distance_to(candidate.slot);
    const std::size_t found = std::min(k_, ranked.size());
    const auto nearer = [this](const Candidate& a, const Candidate& b) {
      if (a.distance != b.distance) return a.distance < b.distance;
      return graph_.nodes.born(a.slot) < graph_.nodes.born(b.slot);
    };
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(found), ranked.end(),
                      nearer);
    for (std::size_t i = 0; i < found; ++i) out[i] = {ranked[i].distance, ranked[i].slot};
    return found;
  }

  float distance_to(Slot slot) {
    const float* const vector = graph_.nodes.floats(slot, scratch_.floats.data());
    const std::size_t dim = graph_.options.dim;
    float distance = 0;
    switch (graph_.options.metric) {
      case Metric::kL2:
        distance = graph_.kernels.l2(vector_, vector, dim);
        break;
      case Metric::kCosine:
        distance = graph_.kernels.cosine(vector_, vector, dim);
        break;
      case Metric::kIp:
        distance = 1.0F - graph_.kernels.dot(vector_, vector, dim);
        break;
    }
    return distance == distance ? distance : std::numeric_limits<float>::max();  // inf - inf: beyond float32
  }

  const Graph::Impl& graph_;
  Scratch& scratch_;
  const float* vector_;
  std::size_t k_;
  std::size_t ef_;
  std::size_t slots_;
  const Counts& counts_;
  double share_;  // of all slots, about how many count
  simd::CodeQuery query_{};
};

}  // namespace

std::size_t Graph::Impl::search(const float* vector, std::size_t k, std::size_t ef, std::uint64_t snapshot,
                                const Keep* keep, Hit* out, double share) const {
  const Epochs::Pin pin = epochs.pin();
  const std::size_t slots = used.load(std::memory_order_acquire);
  k = std::min(k, slots);
  if (k == 0) return 0;
  ef = std::max(ef, k);
  const Scratches::Lease scratch = scratches.lend();
  const AtSnapshot at{nodes, snapshot,
                      snapshot != kNow && youngest.load(std::memory_order_acquire) > snapshot};
  // Counters and slots change at different instants, so hits are tested one by one all the same.
  const AtSnapshot holds{nodes, snapshot, snapshot != kNow};
  if (keep != nullptr) {
    const AtSnapshotKept kept{at, *keep};
    return Search(*this, *scratch, vector, k, ef, slots, kept, share).run(AtSnapshotKept{holds, *keep}, out);
  }
  if (!at.some_younger &&
      alive.load(std::memory_order_acquire) + free_count.load(std::memory_order_acquire) == slots) {
    const std::size_t found = Search(*this, *scratch, vector, k, ef, slots, Everything{}, 1).run(holds, out);
    if (found == k) return found;
  }
  return Search(*this, *scratch, vector, k, ef, slots, at, share).run(holds, out);
}

std::size_t Graph::Impl::search_among(const float* vector, std::span<const Slot> among, std::size_t k,
                                      Hit* out) const {
  const Epochs::Pin pin = epochs.pin();
  const Scratches::Lease scratch = scratches.lend();
  const AtSnapshot now{nodes, kNow, false};
  k = std::min(k, among.size());
  if (k == 0) return 0;
  return Search(*this, *scratch, vector, k, k, among.size(), now, 1).run_among(among, now, out);
}

}  // namespace engram::hnsw
