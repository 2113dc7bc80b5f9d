// The file that holds a graph: docs/format-index.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/head.h"

namespace engram::hnsw::format {

inline constexpr std::uint64_t kMagic = 0x3158444E494D4745;  // "EGMINDX1", little-endian
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kAlignment = 64;  // where sections begin
inline constexpr std::size_t kHeaderBytes = 128;
inline constexpr HeadLayout kHead{kMagic, kVersion, kHeaderBytes - 4};
inline constexpr std::size_t kSectionBytes = 64;  // a section's own header, before its payload
inline constexpr std::size_t kMostLevels = 24;
inline constexpr std::byte kCopy{0x80};  // beside a node's levels: it is a copy, in the chain of another

enum class Section : std::uint32_t {
  kRecords = 1,  // code and level-0 links of every slot
  kVectors = 2,
  kLives = 3,   // label and dead_at
  kLevels = 4,  // one byte a slot
  kUpper = 5,   // links above level 0, slot after slot, level after level
  kPresent = 6  // one bit a slot
};

}  // namespace engram::hnsw::format
