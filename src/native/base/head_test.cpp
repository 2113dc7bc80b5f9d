#include "base/head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"

namespace engram {
namespace {

constexpr HeadLayout kLayout{0x1122334455667788u, 3, 20};

std::vector<std::byte> head(std::uint32_t version) {
  std::vector<std::byte> bytes;
  ByteWriter writer(bytes);
  writer.put(kLayout.magic);
  writer.put(version);
  writer.put(std::uint64_t{42});
  writer.put(crc32c(0, bytes));
  writer.put_text("and what follows");
  return bytes;
}

TEST(Head, IsGoodUpToTheNewestVersionAndNewerAboveIt) {
  for (const std::uint32_t version : {1u, 2u, 3u}) {
    EXPECT_EQ(judge_head(head(version), kLayout), HeadState::kGood) << version;
    EXPECT_EQ(fault_of_head(head(version), kLayout, "file"), nullptr) << version;
  }
  EXPECT_EQ(judge_head(head(4), kLayout), HeadState::kNewer);
  EXPECT_THROW(fault_of_head(head(4), kLayout, "file"), UnsupportedFormat);
  EXPECT_EQ(judge_head(head(0), kLayout), HeadState::kDamaged);
}

TEST(Head, NoFlippedBitAndNoTruncationPassesForANewerVersion) {
  const std::vector<std::byte> whole = head(3);
  for (std::size_t bit = 0; bit < (kLayout.checksum_at + 4) * 8; ++bit) {
    std::vector<std::byte> flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_EQ(judge_head(flipped, kLayout), bit < 64 ? HeadState::kForeign : HeadState::kDamaged) << bit;
    EXPECT_NE(fault_of_head(flipped, kLayout, "file"), nullptr) << bit;
  }
  for (std::size_t size = 0; size < kLayout.checksum_at + 4; ++size) {
    const Bytes cut = Bytes(whole).first(size);
    EXPECT_EQ(judge_head(cut, kLayout), size < 8 ? HeadState::kForeign : HeadState::kDamaged) << size;
  }
}

}  // namespace
}  // namespace engram
