#include "engine/pending_scan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "base/per_thread.h"

namespace engram::engine {
namespace {

constexpr std::size_t kAtOnce = 64;  // codes a kernel call

bool nearer(const PendingHit& a, const PendingHit& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.memory->key < b.memory->key;
}

// What a scan needs besides its answer: kept by the thread, for the next one.
struct Scratch {
  Coder::Query query;
  std::array<float, Queue::kBlockMemories> scores;
  std::array<std::uint32_t, Queue::kBlockMemories + 16> order;  // the kernel may write 16 more
};

Scratch& scratch() {
  static auto& kept = PerThread<Scratch>::make();
  return kept.get();
}

}  // namespace

PendingScan::PendingScan(const Coder& coder, const float* cue, std::uint64_t snapshot, std::size_t k)
    : coder_(coder), cue_(cue), snapshot_(snapshot), k_(k) {
  coder.prepare(cue, scratch().query);
}

void PendingScan::scan(const Queue::Block& block) {
  const std::size_t count = block.count.load(std::memory_order_acquire);
  if (count == 0 || k_ == 0) return;
  const Extent extent = block.extent();  // after the count: it covers all that is counted
  Scratch& mine = scratch();
  std::array<const std::byte*, kAtOnce> codes;
  const std::size_t bytes = coder_.code_bytes();
  const std::size_t dim = bytes - simd::kCodeHeaderBytes;
  for (std::size_t begin = 0; begin < count; begin += kAtOnce) {
    const std::size_t some = std::min(kAtOnce, count - begin);
    for (std::size_t i = 0; i < some; ++i) codes[i] = block.codes.get() + (begin + i) * bytes;
    simd::active().score_codes(mine.query.terms, codes.data(), some, dim, mine.scores.data() + begin);
  }
  scored_ += count;
  if (full()) {
    rank_below(block, extent, count);
  } else {
    rank_in_order(block, extent, count);
  }
}

// Below this a score leaves it open whether its memory belongs among the k nearest.
float PendingScan::bound(const Extent& extent) const {
  return coder_.bound(scratch().query, extent, nearest_.front().distance);
}

// The nearest by their codes first: so the bound is tight as soon as there are k.
void PendingScan::rank_in_order(const Queue::Block& block, const Extent& extent, std::size_t count) {
  const auto& scores = scratch().scores;
  auto& order = scratch().order;
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::iota(order.begin(), end, 0U);
  std::sort(order.begin(), end, [&](std::uint32_t a, std::uint32_t b) { return scores[a] < scores[b]; });
  for (auto at = order.begin(); at != end; ++at) {
    if (full() && !(scores[*at] < bound(extent))) return;
    rank(*block.memories[*at]);
  }
}

void PendingScan::rank_below(const Queue::Block& block, const Extent& extent, std::size_t count) {
  const auto& scores = scratch().scores;
  auto& order = scratch().order;
  float limit = bound(extent);
  const std::size_t open = simd::active().select_below(scores.data(), count, limit, order.data());
  for (std::size_t i = 0; i < open; ++i) {
    if (!(scores[order[i]] < limit)) continue;
    rank(*block.memories[order[i]]);
    limit = bound(extent);
  }
}

void PendingScan::rank(const PendingMemory& memory) {
  const bool elsewhere = memory.stage.load(std::memory_order_acquire) == Stage::kInGraph;
  if (elsewhere || !memory.counts_at(snapshot_)) return;
  ++ranked_;
  float distance = coder_.distance(cue_, memory.vector);
  if (distance != distance) distance = std::numeric_limits<float>::max();  // inf - inf: beyond float32
  const PendingHit hit{distance, &memory};
  if (!full()) {
    nearest_.push_back(hit);
    std::push_heap(nearest_.begin(), nearest_.end(), nearer);
  } else if (nearer(hit, nearest_.front())) {
    std::pop_heap(nearest_.begin(), nearest_.end(), nearer);
    nearest_.back() = hit;
    std::push_heap(nearest_.begin(), nearest_.end(), nearer);
  }
}

}  // namespace engram::engine
