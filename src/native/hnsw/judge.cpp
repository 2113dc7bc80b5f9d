// Whether searches go by sketches. That depends on the vectors: where their largest elements are many times
// the others, or all lie in one direction, sixteen levels leave no order among neighbours. So some nodes are
// asked how far the sketches of their neighbours are off, and their mean decides. It is a matter of speed
// alone: a walk that comes to where sketches do not serve begins again by codes (searcher.h).

#include <algorithm>
#include <vector>

#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

constexpr Slot kEach = 64;           // one slot in so many is asked when it comes
constexpr std::size_t kAsked = 256;  // of a graph that was loaded
constexpr std::uint32_t kFew = 16;   // answers before any decide

}  // namespace

double Graph::Impl::sketches_off() const {
  const std::uint32_t answers = asked.load(std::memory_order_relaxed);
  return answers < kFew ? 1 : asked_off.load(std::memory_order_relaxed) / answers;
}

void Graph::Impl::judge_newcomer(Slot slot, Scratch& scratch) {
  if (nodes.sketched() && slot % kEach == 0) judge(slot, scratch);
}

void Graph::Impl::judge_loaded() {
  if (!nodes.sketched()) return;
  const Scratches::Lease scratch = scratches.lend();
  const std::size_t slots = used.load(std::memory_order_acquire);
  const std::size_t step = std::max<std::size_t>(slots / kAsked, 1);
  for (std::size_t slot = 0; slot < slots; slot += step) judge(static_cast<Slot>(slot), *scratch);
}

void Graph::Impl::judge(Slot slot, Scratch& scratch) {
  if (!nodes.linked.test(slot) || nodes.copies.test(slot)) return;
  Gathered& near = scratch.choosing;
  near.grow_to(2 * options.m);
  std::size_t count = 0;
  for (const Slot& link : nodes.neighbours(slot, 0)) {
    const Slot there = load_link(link);
    if (there == kNoSlot) break;
    near.slots[count++] = there;
  }
  if (count < kFewLinks) return;
  const simd::CodeQuery query =
      query_of_code(nodes.code(slot), options.dim, options.metric, scratch.query.data());
  const Field by_sketches = field(query);
  const auto score = [&](const Field& by, std::vector<float>& out) {
    for (std::size_t i = 0; i < count; ++i) near.codes[i] = by.code(near.slots[i]);
    by.score(near.codes.data(), count, out.data());
  };
  score(by_sketches, near.distances);
  scratch.floats.assign(near.distances.begin(), near.distances.begin() + static_cast<std::ptrdiff_t>(count));
  score(by_sketches.by_codes(), near.distances);
  SketchError error;
  for (std::size_t i = 0; i < count; ++i) error.see(scratch.floats[i], near.distances[i]);
  asked_off.fetch_add(error.share(), std::memory_order_relaxed);
  asked.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace engram::hnsw
