#include "base/head.h"

#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"

namespace engram {
namespace {

constexpr std::size_t kVersionAt = 8;

std::uint32_t version_of(Bytes bytes) {
  return load_le<std::uint32_t>(bytes.data() + kVersionAt);
}

}  // namespace

HeadState judge_head(Bytes bytes, const HeadLayout& layout) {
  if (bytes.size() < kVersionAt || load_le<std::uint64_t>(bytes.data()) != layout.magic) {
    return HeadState::kForeign;
  }
  if (bytes.size() < layout.checksum_at + 4) return HeadState::kDamaged;
  const auto checksum = load_le<std::uint32_t>(bytes.data() + layout.checksum_at);
  if (checksum != crc32c(0, bytes.first(layout.checksum_at))) return HeadState::kDamaged;
  const std::uint32_t version = version_of(bytes);
  if (version == 0) return HeadState::kDamaged;
  return version > layout.version ? HeadState::kNewer : HeadState::kGood;
}

const char* fault_of_head(Bytes bytes, const HeadLayout& layout, const Path& path) {
  switch (judge_head(bytes, layout)) {
    case HeadState::kGood:
      return nullptr;
    case HeadState::kForeign:
      return "it does not begin as one does";
    case HeadState::kDamaged:
      return bytes.size() < layout.checksum_at + 4 ? "it ends within its head"
                                                   : "the checksum of its head is wrong";
    case HeadState::kNewer:
      throw UnsupportedFormat(path.string() + " has format version " + std::to_string(version_of(bytes)) +
                              ", this Engram reads up to " + std::to_string(layout.version) +
                              ": upgrade engram-store to open it");
  }
  return nullptr;
}

}  // namespace engram
