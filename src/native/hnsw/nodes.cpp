#include "hnsw/nodes.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "hnsw/sketch.h"
#include "simd/kernels.h"

namespace engram::hnsw {
namespace {

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t scalar_bytes(Scalar scalar) {
  return scalar == Scalar::kF32 ? 4 : 2;
}

}  // namespace

Nodes::Nodes(const Options& options, Backing* backing)
    : dim_(options.dim),
      m_(options.m),
      scalar_(options.scalar),
      code_bytes_(simd::kCodeHeaderBytes + options.dim),
      sketched_(options.dim >= kSketchedFrom),
      links_at_(round_up(code_bytes_, sizeof(Slot))),
      records_(round_up(links_at_ + 2 * options.m * sizeof(Slot), 16), kMaxSlots, backing),
      sketches_(round_up(simd::sketch_bytes(options.dim), 16), kMaxSlots, backing),
      vectors_(options.dim * scalar_bytes(options.scalar), kMaxSlots, backing),
      lives_(sizeof(Life), kMaxSlots, backing),
      towers_(sizeof(std::uint32_t), kMaxSlots),
      links_to_(sizeof(std::uint16_t), kMaxSlots),
      upper_(options.m * sizeof(Slot), std::size_t{1} << kTowerBits, backing) {}

void Nodes::reserve(Slot slot) {
  records_.reserve(slot);
  if (sketched_) sketches_.reserve(slot);
  vectors_.reserve(slot);
  lives_.reserve(slot);
  towers_.reserve(slot);
  links_to_.reserve(slot);
  present.reserve(slot);
  alive.reserve(slot);
  linked.reserve(slot);
  leaving.reserve(slot);
  dying.reserve(slot);
  copies.reserve(slot);
}

void Nodes::raise(Slot slot, std::size_t level) {
  if (level == 0) return;
  const std::uint32_t first =
      upper_used_.fetch_add(static_cast<std::uint32_t>(level), std::memory_order_relaxed);
  if (first + level > (std::size_t{1} << kTowerBits)) throw InvalidInput("the graph's upper levels are full");
  for (std::size_t i = 0; i < level; ++i) upper_.reserve(first + i);
  tower_word(slot) = static_cast<std::uint32_t>(level) << kTowerBits | first;
}

void Nodes::write(Slot slot, const float* vector, Coding coding, std::uint64_t born, std::uint64_t dead_at) {
  const simd::Kernels& kernels = simd::active();
  copies.clear(slot);
  linked.clear(slot);
  encode(vector, dim_, coding, code(slot));
  write_sketch(slot);
  auto* const kept = vectors_.at(slot);
  switch (scalar_) {
    case Scalar::kF32:
      std::memcpy(kept, vector, dim_ * sizeof(float));
      break;
    case Scalar::kBf16:
      kernels.f32_to_bf16(vector, reinterpret_cast<std::uint16_t*>(kept), dim_);
      break;
    case Scalar::kF16:
      kernels.f32_to_f16(vector, reinterpret_cast<std::uint16_t*>(kept), dim_);
      break;
  }
  clear_links(slot);
  links_to(slot).store(0, std::memory_order_relaxed);
  life(slot).born = born;
  this->dead_at(slot).store(dead_at, std::memory_order_relaxed);
}

void Nodes::write_sketch(Slot slot) {
  if (sketched_) engram::hnsw::sketch(code(slot), dim_, sketches_.at(slot));
}

void Nodes::clear_links(Slot slot) {
  for (std::size_t l = 0; l <= level(slot); ++l) {
    for (Slot& link : links(slot, l)) store_link(link, kNoSlot);
  }
}

void Nodes::copy(Slot slot, const Nodes& from, Slot source) {
  std::memcpy(code(slot), from.code(source), code_bytes_);
  if (sketched_) std::memcpy(sketches_.at(slot), from.sketches_.at(source), sketches_.stride());
  std::memcpy(vectors_.at(slot), from.vectors_.at(source), vectors_.stride());
  life(slot).born = from.born(source);
  dead_at(slot).store(from.dead_at(source).load(std::memory_order_acquire), std::memory_order_relaxed);
  present.set(slot);
  if (from.alive.test(source)) alive.set(slot);
  if (from.linked.test(source)) linked.set(slot);
  if (from.copies.test(source)) copies.set(slot);
}

const float* Nodes::floats(Slot slot, float* buffer) const {
  const std::byte* const kept = vector(slot);
  if (scalar_ == Scalar::kF32) return reinterpret_cast<const float*>(kept);
  const auto* const half = reinterpret_cast<const std::uint16_t*>(kept);
  if (scalar_ == Scalar::kBf16) {
    simd::active().bf16_to_f32(half, buffer, dim_);
  } else {
    simd::active().f16_to_f32(half, buffer, dim_);
  }
  return buffer;
}

std::size_t Nodes::memory_bytes(std::size_t slots) const {
  return records_.memory_bytes(slots) + (sketched_ ? sketches_.memory_bytes(slots) : 0) +
         vectors_.memory_bytes(slots) + lives_.memory_bytes(slots) + towers_.memory_bytes(slots) +
         links_to_.memory_bytes(slots) + upper_.memory_bytes(upper_used_.load(std::memory_order_relaxed)) +
         present.memory_bytes(slots) + alive.memory_bytes(slots) + linked.memory_bytes(slots) +
         leaving.memory_bytes(slots) + dying.memory_bytes(slots) + copies.memory_bytes(slots);
}

std::size_t Nodes::slot_bytes() const {
  constexpr std::size_t kMarks = 1;  // six bits
  // One slot in M is on level 1, one in M squares on level 2, and so on.
  return records_.stride() + (sketched_ ? sketches_.stride() : 0) + vectors_.stride() + lives_.stride() +
         towers_.stride() + links_to_.stride() + upper_.stride() / (m_ - 1) + kMarks;
}

}  // namespace engram::hnsw
