#include "base/bytes.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace engram {
namespace {

TEST(Bytes, WhatIsPutIsGotInOrder) {
  std::vector<std::byte> buffer;
  ByteWriter writer(buffer);
  writer.put(std::uint8_t{200});
  writer.put(std::uint32_t{0xDEADBEEF});
  writer.put(-1.5);
  writer.put_text("caf\xC3\xA9");
  writer.pad_to(8);
  writer.put(std::int64_t{-2});

  ByteReader reader(buffer);
  EXPECT_EQ(reader.get<std::uint8_t>(), 200);
  EXPECT_EQ(reader.get<std::uint32_t>(), 0xDEADBEEFu);
  EXPECT_EQ(reader.get<double>(), -1.5);
  EXPECT_EQ(reader.get_text(5), "caf\xC3\xA9");
  EXPECT_EQ(reader.position(), 18u);
  reader.get_bytes(6);
  EXPECT_EQ(reader.get<std::int64_t>(), -2);
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_TRUE(reader.ok());
}

TEST(Bytes, NumbersAreLittleEndian) {
  std::byte at[4];
  store_le(at, std::uint32_t{0x01020304});
  EXPECT_EQ(at[0], std::byte{4});
  EXPECT_EQ(at[3], std::byte{1});
  EXPECT_EQ(load_le<std::uint32_t>(at), 0x01020304u);
}

TEST(Bytes, PaddingIsZeros) {
  std::vector<std::byte> buffer(3, std::byte{0xFF});
  ByteWriter(buffer).pad_to(16);
  ASSERT_EQ(buffer.size(), 16u);
  for (std::size_t i = 3; i < 16; ++i) EXPECT_EQ(buffer[i], std::byte{0});
  ByteWriter(buffer).pad_to(16);
  EXPECT_EQ(buffer.size(), 16u);
}

TEST(Bytes, AReadBeyondTheEndYieldsZerosAndStaysNotOk) {
  const std::vector<std::byte> buffer(5, std::byte{0xFF});
  ByteReader reader(buffer);
  EXPECT_EQ(reader.get<std::uint64_t>(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.get<std::uint8_t>(), 0u);  // though a byte is left
  EXPECT_TRUE(reader.get_text(1).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, ASizeThatWouldWrapAroundIsBeyondTheEnd) {
  const std::vector<std::byte> buffer(16);
  ByteReader reader(buffer);
  reader.get<std::uint64_t>();
  EXPECT_TRUE(reader.get_bytes(~std::size_t{0} - 4).empty());
  EXPECT_FALSE(reader.ok());
}

// Any bytes, read by any sequence of calls: never out of bounds (AddressSanitizer judges), never past the
// end.
TEST(Bytes, RandomReadsOfRandomBytesStayInside) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::byte> buffer(random() % 64);
    for (std::byte& byte : buffer) byte = static_cast<std::byte>(random());
    ByteReader reader(buffer);
    for (int step = 0; step < 20; ++step) {
      switch (random() % 4) {
        case 0:
          reader.get<std::uint16_t>();
          break;
        case 1:
          reader.get<double>();
          break;
        case 2:
          reader.get_text(reader.get<std::uint8_t>());
          break;
        default:
          reader.get_bytes(random() % 3 == 0 ? random() : random() % 16);
      }
      ASSERT_EQ(reader.position() + reader.left(), buffer.size()) << "seed 11, round " << round;
    }
  }
}

}  // namespace
}  // namespace engram
