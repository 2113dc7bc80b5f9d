// One search: walk (or, in a small set, scan) on the codes, or on sketches of them, then rank the best again
// on the full vectors.
//
// A template over the graph, which is Graph::Impl or a sealed one in a mapped file. A `Source` gives options,
// kernels, nodes, alive_now(), entry_now(), coding_of(vector), field(query), sketches_serve() and
// each_present(see).
//
// Thread-safety: reads the graph while others change it; the scratch is the search's own.
//
// Invariants: every hit was ranked on its full vector and held by `holds` then; a search whose limit is due
// returns the best of what it has seen, ranked likewise.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "hnsw/code_error.h"
#include "hnsw/graph.h"
#include "hnsw/hop.h"
#include "hnsw/options.h"
#include "hnsw/resolve.h"
#include "hnsw/walk.h"

namespace engram::hnsw {

// Below this many live slots a scan of all codes beats the walk.
inline constexpr std::size_t kScanBelow = 1000;
// A walk of breadth ef scores some dozens of codes for each candidate, at several times a scan's price.
inline constexpr std::size_t kScanPerBreadth = 40;
// And a narrow one has to meet k.
inline constexpr std::size_t kScanPerHit = 2;
// How many of the codes' ranking are ranked on their full vectors at first, how many more at once where that
// leaves the k nearest open, and how many are there for it. Measured: docs/performance.md.
constexpr std::size_t ranked_at_first(std::size_t k) {
  return k + k / 16 + 3;
}
constexpr std::size_t ranked_then(std::size_t k) {
  return k / 8 + 4;
}
constexpr std::size_t refined(std::size_t k) {
  return k + k / 2 + 5;
}
// Beyond this a sorted pool costs more than ranking every vector.
inline constexpr std::size_t kLargestPool = 4096;
// A set of at most this many numbers is ranked on its full vectors at once: no codes, no error.
inline constexpr std::size_t kRankedAtOnce = std::size_t{1} << 16;
// A scan misses nobody, however broad its pool: so many more than are ranked leave room for the codes' error.
inline constexpr std::size_t kScanBreadth = 64;
// How far ahead of the scoring of a list of slots their codes are asked for.
inline constexpr std::size_t kScanAhead = 64;

// One search, its parts in the order they run.
template <class Source, class Counts, class Limit = NoLimit>
class Search {
 public:
  Search(const Source& graph, Scratch& scratch, const float* vector, std::size_t k, std::size_t ef,
         std::size_t slots, const Counts& counts, double share, Limit limit = {})
      : graph_(graph),
        scratch_(scratch),
        vector_(vector),
        k_(k),
        ef_(kPlain ? ef : std::max(ef, k)),
        slots_(slots),
        counts_(counts),
        share_(share),
        limit_(limit) {}

  // `holds` is what every hit is tested by once more at the end: others may have changed meanwhile.
  template <class Holds>
  std::size_t run(const Holds& holds, Hit* out) {
    const auto everything = [&] { return rank_everything(holds, out); };
    if (std::max(ef_, k_) > kLargestPool || slots_ * graph_.options.dim <= kRankedAtOnce) {
      return everything();
    }
    prepare();
    // What is alive counts, not what was: a graph of which little is left is scanned, and exactly.
    const std::size_t alive = graph_.alive_now();
    if (walk_pays(alive) && walk_graph()) {
      const std::size_t found = refine(holds, out, everything);
      if (found == k_ || limit_.due()) return found;
    }
    scan([&](const auto& see) { graph_.each_present(see); });
    return refine(holds, out, everything);
  }

  // Where the walk comes to a neighbourhood in which all but none count, a two-hop walk goes on from the
  // seeds.
  template <class Seeds, class Holds>
  std::size_t run_filtered(const Seeds& seeds, const Holds& holds, Hit* out) {
    const auto everything = [&] { return rank_everything(holds, out); };
    if (ef_ > kLargestPool || slots_ * graph_.options.dim <= kRankedAtOnce) return everything();
    prepare();
    const std::size_t alive = graph_.alive_now();
    if (walk_pays(alive) && (walk_filtered() || hop(seeds))) {
      const std::size_t found = refine(holds, out, everything);
      if (found == k_) return found;
    }
    scan([&](const auto& see) { graph_.each_present(see); });
    return refine(holds, out, everything);
  }

  // Scores the codes of these alone.
  template <class Holds>
  std::size_t run_among(std::span<const Slot> among, const Holds& holds, Hit* out) {
    const auto these = [&] { return rank_these(among, holds, out); };
    if (ef_ > kLargestPool || among.size() * graph_.options.dim <= kRankedAtOnce) return these();
    prepare();
    scan([&](const auto& see) {
      for (std::size_t i = 0; i < among.size(); ++i) {
        if (i + kScanAhead < among.size()) {
          prefetch(graph_.nodes.code(among[i + kScanAhead]), graph_.nodes.code_bytes());
        }
        see(among[i]);
      }
    });
    return refine(holds, out, these);
  }

 private:
  // All count, so that what a walk meets past the nearest ef may be found too: only such a walk can do with
  // less than k.
  static constexpr bool kPlain = std::is_same_v<Counts, Everything>;

  bool walk_pays(std::size_t alive) const {
    return alive > kScanBelow && alive > ef_ * kScanPerBreadth && alive > k_ * kScanPerHit;
  }

  void prepare() {
    query_ = encode_query(vector_, graph_.options.dim, graph_.coding_of(vector_), graph_.options.metric,
                          scratch_.query.data());
    by_codes_ = !graph_.sketches_serve();
  }

  // The node that a walk on level 0 begins with, as near to the query as upper levels lead; kNoSlot in an
  // empty graph.
  Slot beginning() {
    const auto from = graph_.entry_now();
    if (from.none()) return kNoSlot;
    return descend(field(), from, 0, slots_, scratch_).slot;
  }

  // Makes the pool ready for a walk on level 0, and puts the node that it begins with in; false in an empty
  // graph.
  template <class Counting>
  bool begin(const Counting& counts, std::size_t capacity) {
    const Slot start = beginning();
    if (start == kNoSlot) return false;
    // By sketches a little broader: so no recall is lost at an equal ef.
    const std::size_t breadth = by_codes_ ? ef_ : ef_ + ef_ / 16 + 2;
    const std::size_t kept = kPlain ? std::max(breadth, k_) : breadth;
    scratch_.pool.reset(kept, capacity, std::max(ef_ / 2, refined(k_)), kPlain ? breadth : capacity);
    scratch_.visited.begin(slots_);
    start_at(field(), start, counts, scratch_);
    return true;
  }

  bool walk_graph() {
    do {
      if (!begin(counts_, kPlain ? 0 : room())) return false;
      walk(field(), counts_, scratch_, limit_);
    } while (!ordered() && !limit_.due());
    return true;
  }

  // Orders what a walk on sketches has found. False when they do not serve here: this search goes on by
  // codes.
  bool ordered() {
    if (!field().sketched) return true;
    by_codes_ = resolve(field(), scratch_) > kWalkOff;
    return !by_codes_;
  }

  auto field() const {
    const auto field = graph_.field(query_);
    return by_codes_ ? field.by_codes() : field;
  }

  // False when it was given up: of so many nodes near the query four times as many as are wanted should
  // count, and fewer do than are wanted.
  bool walk_filtered() {
    const auto lost = [this] { return scratch_.pool.full() && scratch_.pool.counted() < k_; };
    const auto over = [&] { return limit_.due() || lost(); };
    do {
      if (!begin(counts_, room())) return false;
      walk(field(), counts_, scratch_, Until{over});
      if (lost()) return false;
    } while (!ordered() && !limit_.due());
    return true;
  }

  // A two-hop walk; false when it ran dry: it was among few that are linked with each other, and the nearest
  // may be elsewhere.
  template <class Seeds>
  bool hop(const Seeds& seeds) {
    const auto field = graph_.field(query_).by_codes();
    scratch_.pool.reset(ef_, ef_, std::max(ef_ / 2, refined(k_)));
    scratch_.visited.begin(slots_);
    scratch_.seeds.clear();
    seeds(scratch_.seeds);
    for (const Slot seed : scratch_.seeds) {
      if (!scratch_.visited.test(seed) && counts_(seed)) start_at(field, seed, Everything{}, scratch_);
    }
    hop_on(field, counts_, 2 * graph_.options.m, scratch_);
    return scratch_.pool.size() == ef_;
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
    const auto field = graph_.field(query_).by_codes();
    Gathered& gathered = scratch_.gathered;
    const std::size_t batch = 64;
    std::size_t count = 0;
    const std::size_t breadth = std::min(std::max(ef_, refined(k_)), refined(k_) + kScanBreadth);
    scratch_.pool.reset(breadth, breadth, breadth);
    each_slot([&](Slot slot) {
      if (limit_.due() || !counts_(slot)) return;
      gathered.slots[count] = slot;
      gathered.codes[count] = graph_.nodes.code(slot);
      if (++count == batch) admit(field, std::exchange(count, 0), Everything{}, scratch_.pool, gathered);
    });
    if (count != 0) admit(field, count, Everything{}, scratch_.pool, gathered);
  }

  // Ranks the pool's best on full vectors, and goes on for as long as the codes' error so far leaves it open
  // whether the next belongs among the k nearest. Where the pool's end leaves it open, and the codes proved
  // blind, `all()` answers.
  template <class Holds, class All>
  std::size_t refine(const Holds& holds, Hit* out, const All& all) {
    const Pool& pool = scratch_.pool;
    std::vector<Candidate>& ranked = scratch_.ranked;
    ranked.clear();
    scratch_.floats.resize(graph_.options.dim);
    CodeError error;
    std::size_t at = 0;
    double bound = std::numeric_limits<double>::infinity();
    for (std::size_t more = ranked_at_first(k_);; more = ranked_then(k_)) {
      at = rank_next(at, more, holds, error);
      if (limit_.due()) return select(out);
      if (at == pool.size()) break;
      if (ranked.size() >= k_) bound = static_cast<double>(kth_of(ranked));
      const bool open = error.least_of(pool.distance(at)) < bound;
      if (!open && !error.blind(graph_.options.metric)) return select(out);
    }
    // A pool of many of which none was out of the question: the k nearest may as well lie beyond it.
    const bool open = pool.size() > 0 && ranked.size() >= 2 * refined(k_) &&
                      error.wide(graph_.options.metric) &&
                      error.least_of(pool.distance(pool.size() - 1)) < bound;
    return open || error.blind(graph_.options.metric) ? all() : select(out);
  }

  // Ranks the next `more` of the pool from `at` on; returns where it stopped.
  template <class Holds>
  std::size_t rank_next(std::size_t at, std::size_t more, const Holds& holds, CodeError& error) {
    const Pool& pool = scratch_.pool;
    std::vector<std::uint32_t>& chosen = scratch_.chosen;
    chosen.clear();
    for (; at < pool.size() && chosen.size() < more; ++at) {
      if (!pool.counts(at)) continue;
      prefetch(graph_.nodes.vector(pool.slot(at)), graph_.options.dim * sizeof(float));
      chosen.push_back(static_cast<std::uint32_t>(at));
    }
    for (const std::uint32_t i : chosen) {
      const Slot slot = pool.slot(i);
      if (!holds(slot)) continue;
      const float exact = distance_to(slot);
      error.see(pool.distance(i), exact);
      scratch_.ranked.push_back({exact, slot});
    }
    return at;
  }

  float kth_of(std::vector<Candidate>& ranked) const {
    const auto kth = ranked.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(ranked.begin(), kth, ranked.end(),
                     [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
    return kth->distance;
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

  // The k nearest of scratch.ranked on full vectors.
  std::size_t rank(Hit* out) {
    std::vector<Candidate>& ranked = scratch_.ranked;
    scratch_.floats.resize(graph_.options.dim);
    for (std::size_t i = 0; i < ranked.size(); ++i) {
      if (limit_.due()) ranked.resize(i);
      if (i < ranked.size()) ranked[i].distance = distance_to(ranked[i].slot);
    }
    return select(out);
  }

  // The k nearest of scratch.ranked by the distances they have, ties by label.
  std::size_t select(Hit* out) {
    std::vector<Candidate>& ranked = scratch_.ranked;
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

  const Source& graph_;
  Scratch& scratch_;
  const float* vector_;
  std::size_t k_;
  std::size_t ef_;
  std::size_t slots_;
  const Counts& counts_;
  double share_;  // of all slots, about how many count
  Limit limit_;
  bool by_codes_ = true;  // and not by sketches
  simd::CodeQuery query_{};
};

}  // namespace engram::hnsw
