// The head of a file: 8 bytes of magic, 4 of format version, and further on a CRC-32C of all before it. Every
// version of a file keeps these three where they are, so that a reader can tell damage from a newer format:
// whoever reads a flipped bit in the version as "upgrade" sends a user away from the repair he needs.
//
// Thread-safety: pure functions.
//
// Invariants: the version of a head is believed only when its checksum is right.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/file.h"

namespace engram {

struct HeadLayout {
  std::uint64_t magic;
  std::uint32_t version;    // the newest that this Engram reads
  std::size_t checksum_at;  // of the CRC-32C over all bytes before it
};

enum class HeadState {
  kGood,
  kForeign,  // it does not begin with the magic
  kDamaged,  // it is cut short, its checksum is wrong, or its version is none that ever was
  kNewer,    // whole, and of a version above the layout's
};

HeadState judge_head(Bytes bytes, const HeadLayout& layout);

// What is wrong with the head of the file `path`, as the end of a sentence; nullptr when nothing is.
// Errors: UnsupportedFormat (kNewer).
const char* fault_of_head(Bytes bytes, const HeadLayout& layout, const Path& path);

}  // namespace engram
