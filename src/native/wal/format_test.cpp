// The bytes of format version 1, as docs/format-log.md has them: what is pinned here can never change again.
#include "wal/format.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "wal/segment.h"

namespace engram::wal {
namespace {

std::string hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[static_cast<unsigned>(byte) >> 4];
    text += kDigits[static_cast<unsigned>(byte) & 15];
  }
  return text;
}

SegmentHeader a_segment() {
  return {.log_id = 0x0102030405060708,
          .epoch = 0x1112131415161718,
          .sequence = 7,
          .previous = 6,
          .base = 4096,
          .synced = 4088};
}

TEST(LogFormat, TheSegmentHeaderOfVersionOne) {
  std::array<std::byte, kSegmentHeaderBytes> bytes;
  encode(a_segment(), bytes.data());
  EXPECT_EQ(hex(bytes),
            "454e47524d4c4f47"
            "01000000"
            "00000000"
            "0807060504030201"
            "1817161514131211"
            "07000000"
            "06000000"
            "0010000000000000"
            "f80f000000000000"
            "00000000"
            "9bd38602");
  SegmentHeader header;
  ASSERT_EQ(decode(bytes, header), HeadState::kGood);
  EXPECT_EQ(header.log_id, a_segment().log_id);
  EXPECT_EQ(header.epoch, a_segment().epoch);
  EXPECT_EQ(header.sequence, 7u);
  EXPECT_EQ(header.previous, 6u);
  EXPECT_EQ(header.base, 4096u);
  EXPECT_EQ(header.synced, 4088u);
}

TEST(LogFormat, TheGroupHeaderOfVersionOne) {
  std::array<std::byte, kGroupHeaderBytes> bytes;
  encode(GroupHeader{.epoch = 0x1112131415161718, .first = 4096, .synced = 4088, .bytes = 48, .records = 2},
         bytes.data());
  EXPECT_EQ(hex(bytes),
            "45677270"
            "b537f50b"
            "1817161514131211"
            "0010000000000000"
            "f80f000000000000"
            "30000000"
            "02000000");
  EXPECT_TRUE(decode_group(bytes, 0x1112131415161718).has_value());
  EXPECT_FALSE(decode_group(bytes, 0x1112131415161719).has_value());
  EXPECT_FALSE(decode_group(Bytes(bytes).first(kGroupHeaderBytes - 1), 0x1112131415161718).has_value());
}

TEST(LogFormat, TheRecordOfVersionOne) {
  const std::string payload = "hello";
  const std::uint32_t sum = crc32c(0, std::as_bytes(std::span(payload)));
  std::array<std::byte, kRecordHeaderBytes> bytes;
  encode(RecordHeader{record_checksum(sum, 0x1112131415161718, 4096, 5), 5, 4096}, bytes.data());
  EXPECT_EQ(hex(bytes),
            "6bf3f70e"
            "05000000"
            "0010000000000000");
  EXPECT_EQ(record_bytes(5), 24u);
  EXPECT_EQ(record_bytes(0), 16u);
}

TEST(LogFormat, NamesOfSegments) {
  EXPECT_EQ(segment_name(7), "00000007.wal");
  EXPECT_EQ(segment_name(4000000000), "4000000000.wal");
  EXPECT_EQ(segment_sequence("00000007.wal"), 7u);
  EXPECT_EQ(segment_sequence("4000000000.wal"), 4000000000u);
  for (const char* other : {"7.wal", "00000000.wal", "00000007.tmp", "spare-00000007.wal", "0000000x.wal",
                            ".wal", "99999999999.wal", "-0000007.wal", "000000007.wal"}) {
    EXPECT_FALSE(segment_sequence(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace engram::wal
