// The number of a node.
#pragma once

#include <cstddef>
#include <cstdint>

namespace engram::hnsw {

using Slot = std::uint32_t;  // 32 bits: 64-bit links would double the walk's traffic for nothing
inline constexpr Slot kNoSlot = 0xFFFFFFFFU;
// Two bits are left for what a pool notes beside a slot.
inline constexpr std::size_t kMaxSlots = std::size_t{1} << 30;

}  // namespace engram::hnsw
