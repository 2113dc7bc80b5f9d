// Search: which slots count for it; its parts are in searcher.h.

#include <algorithm>

#include "hnsw/impl.h"
#include "hnsw/searcher.h"

namespace engram::hnsw {
namespace {

// What may be expected to count of the slots of a graph that changes: the rest are dead or not yet born.
constexpr double kShareAtSnapshot = 0.25;

struct AtSnapshotKept {
  AtSnapshot at;
  const std::function<bool(Slot)>& keep;
  bool operator()(Slot slot) const { return at(slot) && keep(slot); }
};

}  // namespace

std::size_t Graph::Impl::search(const float* vector, std::size_t k, std::size_t ef, std::uint64_t snapshot,
                                const Filter* filter, Hit* out) const {
  const Epochs::Pin pin = epochs.pin();
  const std::size_t slots = used.load(std::memory_order_acquire);
  k = std::min(k, slots);
  if (k == 0) return 0;
  const Scratches::Lease scratch = scratches.lend();
  AtSnapshot at{nodes, snapshot, snapshot != kNow && youngest.load(std::memory_order_acquire) > snapshot};
  // Counters and slots change at different instants, so hits are tested one by one all the same.
  const AtSnapshot holds{nodes, snapshot, snapshot != kNow};
  if (filter != nullptr) {
    const AtSnapshotKept kept{at, filter->keep};
    const AtSnapshotKept held{holds, filter->keep};
    return Search(*this, *scratch, vector, k, ef, slots, kept, filter->share)
        .run_filtered(filter->seeds, held, out);
  }
  if (!at.some_younger &&
      alive.load(std::memory_order_acquire) + free_count.load(std::memory_order_acquire) == slots) {
    const std::size_t found = Search(*this, *scratch, vector, k, ef, slots, Everything{}, 1).run(holds, out);
    if (found == k) return found;
    at.some_younger = snapshot != kNow;  // what was inserted meanwhile may have been in the way
  }
  return Search(*this, *scratch, vector, k, ef, slots, at, kShareAtSnapshot).run(holds, out);
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
