// Whether searches go by sketches. That depends on the vectors: where their largest elements are many times
// the others, or all lie in one direction, sixteen levels leave no order among neighbours. So now and then a
// node is asked how its sketches order its own neighbours.

#include <algorithm>
#include <vector>

#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

constexpr Slot kEach = 64;            // one slot in so many is asked
constexpr float kWeight = 1 / 16.0F;  // of one answer among those before it
constexpr std::size_t kAsked = 256;   // of a graph that was loaded

}  // namespace

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
  const float before = sketches_off.load(std::memory_order_relaxed);
  sketches_off.store(before + kWeight * (static_cast<float>(error.share()) - before),
                     std::memory_order_relaxed);
}

}  // namespace engram::hnsw
