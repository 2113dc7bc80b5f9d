#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

#include "base/crc32c_detail.h"

namespace engram {
namespace {

using Buffer = std::vector<std::byte>;

std::uint32_t bit_by_bit(std::uint32_t so_far, std::span<const std::byte> bytes) {
  std::uint32_t crc = ~so_far;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

using Implementation = std::uint32_t (*)(std::uint32_t, std::span<const std::byte>);

std::vector<Implementation> implementations() {
  std::vector<Implementation> all = {crc32c, detail::crc32c_tables};
  if (detail::crc32c_has_instruction()) all.push_back(detail::crc32c_instruction);
  return all;
}

Buffer random_buffer(std::size_t size) {
  std::mt19937_64 random(size);
  Buffer buffer(size);
  for (std::byte& byte : buffer) byte = static_cast<std::byte>(random());
  return buffer;
}

TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  Buffer ascending(32), descending(32);
  for (int i = 0; i < 32; ++i) {
    ascending[static_cast<std::size_t>(i)] = static_cast<std::byte>(i);
    descending[static_cast<std::size_t>(i)] = static_cast<std::byte>(31 - i);
  }
  const std::uint8_t read_command[] = {0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0,    0, 0, 0, 0,
                                       0x14, 0,    0, 0, 0, 0, 4, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                       0x28, 0,    0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0,    0, 0, 0, 0};
  const std::string_view digits = "123456789";
  for (const Implementation crc : implementations()) {
    EXPECT_EQ(crc(0, Buffer(32, std::byte{0})), 0x8A9136AAu);
    EXPECT_EQ(crc(0, Buffer(32, std::byte{0xFF})), 0x62A8AB43u);
    EXPECT_EQ(crc(0, ascending), 0x46DD794Eu);
    EXPECT_EQ(crc(0, descending), 0x113FDB5Cu);
    EXPECT_EQ(crc(0, std::as_bytes(std::span(read_command))), 0xD9963A56u);
    EXPECT_EQ(crc(0, std::as_bytes(std::span(digits))), 0xE3069283u);
    EXPECT_EQ(crc(0, {}), 0u);
  }
}

// Lengths around those at which a way of reading begins or ends, at every alignment.
TEST(Crc32c, EqualsTheBitwiseDefinitionForEveryLengthAndAlignment) {
  std::vector<std::size_t> lengths = {1000, 3 * 4096 + 3 * 256 + 13, 2 * 3 * 4096 + 1, 50'000};
  for (std::size_t length = 0; length <= 100; ++length) lengths.push_back(length);
  for (const std::size_t around : {256, 512, 768, 1536, 4096, 12'288}) {
    for (std::size_t length = around - 9; length <= around + 9; ++length) lengths.push_back(length);
  }
  for (const std::size_t length : lengths) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      const Buffer buffer = random_buffer(shift + length);
      const std::span bytes = std::span(buffer).subspan(shift);
      const std::uint32_t expected = bit_by_bit(0x12345678u, bytes);
      for (const Implementation crc : implementations()) {
        ASSERT_EQ(crc(0x12345678u, bytes), expected) << length << " bytes, shifted by " << shift;
      }
    }
  }
}

TEST(Crc32c, GoesOnWhereItStopped) {
  const Buffer buffer = random_buffer(20'000);
  const std::uint32_t whole = crc32c(0, buffer);
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::span<const std::byte> rest = buffer;
    std::uint32_t crc = 0;
    while (!rest.empty()) {
      const std::size_t part = std::min<std::size_t>(rest.size(), random() % 5000);
      crc = crc32c(crc, rest.first(part));
      rest = rest.subspan(part);
    }
    ASSERT_EQ(crc, whole) << "seed 7, round " << round;
  }
}

TEST(Crc32c, SeesEverySingleBitThatFlips) {
  Buffer buffer = random_buffer(900);
  const std::uint32_t before = crc32c(0, buffer);
  for (std::size_t bit = 0; bit < buffer.size() * 8; ++bit) {
    buffer[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(crc32c(0, buffer), before) << "bit " << bit;
    buffer[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

}  // namespace
}  // namespace engram
