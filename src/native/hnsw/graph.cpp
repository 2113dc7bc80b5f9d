#include "hnsw/graph.h"

#include <bit>
#include <cstring>
#include <string>

#include "base/error.h"
#include "hnsw/impl.h"

namespace engram::hnsw {
namespace {

void require(bool holds, const char* name, std::size_t value, const char* range) {
  if (!holds)
    throw InvalidInput(std::string(name) + " is " + std::to_string(value) + ": choose one " + range);
}

const Options& checked(const Options& options) {
  require(options.dim >= 1 && options.dim <= simd::kMaxDimension, "dim", options.dim, "from 1 to 65536");
  require(options.m >= 2 && options.m <= 512, "M", options.m, "from 2 to 512");
  require(options.ef_construction >= 1 && options.ef_construction <= 100'000, "ef_construction",
          options.ef_construction, "from 1 to 100000");
  return options;
}

}  // namespace

Graph::Impl::Impl(const Options& wanted, Backing* backing)
    : options(checked(wanted)),
      kernels(simd::active()),
      nodes(options, backing),
      scratches(options.dim, 2 * options.m) {}

Graph::Graph(const Options& options, Backing* backing) : impl_(std::make_unique<Impl>(options, backing)) {}
Graph::~Graph() = default;

const Options& Graph::options() const {
  return impl_->options;
}

std::size_t Graph::size() const {
  return impl_->present.load(std::memory_order_acquire);
}

std::size_t Graph::memory_bytes() const {
  return sizeof(Impl) + impl_->nodes.memory_bytes(impl_->used.load(std::memory_order_acquire));
}

std::size_t Graph::slot_bytes() const {
  return impl_->nodes.slot_bytes();
}

Slot Graph::insert(const float* vector, std::uint64_t born, std::uint64_t dead_at) {
  return impl_->insert(vector, born, dead_at);
}

void Graph::set_dead_at(Slot slot, std::uint64_t dead_at) {
  impl_->set_dead_at(slot, dead_at);
}

std::uint64_t Graph::dead_at(Slot slot) const {
  return impl_->nodes.dead_at(slot).load(std::memory_order_acquire);
}

std::uint64_t Graph::born(Slot slot) const {
  return impl_->nodes.born(slot);
}

void Graph::retire(Slot slot) {
  impl_->retire(slot);
}

void Graph::copy_vector(Slot slot, float* out) const {
  const float* const floats = impl_->nodes.floats(slot, out);
  if (floats != out) std::memcpy(out, floats, impl_->options.dim * sizeof(float));
}

const float* Graph::vector(Slot slot) const {
  return impl_->options.scalar == Scalar::kF32 ? impl_->nodes.floats(slot, nullptr) : nullptr;
}

std::size_t Graph::search(const float* query, std::size_t k, std::size_t ef, std::uint64_t snapshot,
                          const Filter* filter, Hit* out) const {
  return impl_->search(query, k, ef, snapshot, filter, out);
}

std::size_t Graph::search_among(const float* query, std::span<const Slot> among, std::size_t k,
                                Hit* out) const {
  return impl_->search_among(query, among, k, out);
}

std::size_t Graph::slots() const {
  return impl_->used.load(std::memory_order_acquire);
}

void Graph::each_present(const std::function<void(Slot)>& see) const {
  impl_->each_present(see);
}

std::uint64_t Graph::present_of(std::size_t block, std::span<std::uint64_t, 64> born) const {
  const std::uint64_t present = impl_->nodes.present.word(block);
  for (std::uint64_t bits = present; bits != 0; bits &= bits - 1) {
    const auto at = static_cast<std::size_t>(std::countr_zero(bits));
    born[at] = impl_->nodes.born(static_cast<Slot>(block * 64 + at));
  }
  return present;
}

Slot Graph::entry() const {
  return impl_->entry_now().slot;
}

std::size_t Graph::level(Slot slot) const {
  return impl_->nodes.level(slot);
}

std::span<const Slot> Graph::links(Slot slot, std::size_t level) const {
  return impl_->nodes.links(slot, level);
}

std::span<const std::byte> Graph::code(Slot slot) const {
  return {impl_->nodes.code(slot), impl_->nodes.code_bytes()};
}

float Graph::shift() const {
  return impl_->shift;
}

void Graph::save(File& file) const {
  impl_->save(file);
}

double Graph::sketches_off() const {
  return impl_->sketches_off();
}

Graph::Guard Graph::pin() const {
  return impl_->epochs.pin();
}

}  // namespace engram::hnsw
