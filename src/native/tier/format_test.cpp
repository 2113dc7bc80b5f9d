// The bytes of docs/format-segment.md, read without the code that reads them.
#include "tier/format.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "tier/segment_testing.h"

namespace engram::tier {
namespace {

// Small whole numbers: every processor computes the same of them.
std::vector<std::byte> golden(Kind kind) {
  Memories memories(9, 3, 1);
  for (std::size_t i = 0; i < 9; ++i) {
    for (std::size_t d = 0; d < 3; ++d) memories.vector(i)[d] = static_cast<float>((i * 7 + d * 3) % 10);
    memories.rows()[i].hash = 1000 + i;
  }
  FaultFileSystem files;
  seal_at(files, kind, memories);
  const std::unique_ptr<File> file = files.open(kSegment, OpenMode::kRead);
  std::vector<std::byte> bytes(file->size());
  EXPECT_EQ(file->read_at(0, bytes), bytes.size());
  return bytes;
}

template <class T>
T at(const std::vector<std::byte>& bytes, std::uint64_t offset) {
  return load_le<T>(bytes.data() + offset);
}

std::uint64_t section(const std::vector<std::byte>& bytes, std::size_t number) {
  return at<std::uint64_t>(bytes, 160 + 16 * number);
}
std::uint64_t section_bytes(const std::vector<std::byte>& bytes, std::size_t number) {
  return at<std::uint64_t>(bytes, 168 + 16 * number);
}

void expect_common(const std::vector<std::byte>& bytes, std::uint32_t kind) {
  EXPECT_EQ(std::memcmp(bytes.data(), "NGRMSEG1", 8), 0);
  EXPECT_EQ(at<std::uint32_t>(bytes, 8), 1U);
  EXPECT_EQ(at<std::uint32_t>(bytes, 12), kind);
  EXPECT_EQ(at<std::uint64_t>(bytes, 16), 9U);
  EXPECT_EQ(at<std::uint32_t>(bytes, 32), 3U);
  EXPECT_EQ(at<std::uint32_t>(bytes, 36), 1U);
  EXPECT_EQ(at<std::uint32_t>(bytes, 40), 8U);
  EXPECT_EQ(at<std::uint32_t>(bytes, 44), 60U);
  EXPECT_EQ(at<std::uint64_t>(bytes, 48), 7U);
  EXPECT_EQ(at<std::uint32_t>(bytes, 4092), crc32c(0, Bytes(bytes).first(4092)));
  for (std::uint64_t row = 0; row < 9; ++row) {
    const std::uint64_t memory = at<std::uint64_t>(bytes, section(bytes, 0) + 8 * row) / 8 - 1;
    EXPECT_EQ(at<std::uint64_t>(bytes, section(bytes, 1) + 8 * row), 1000 + memory);
    EXPECT_EQ(at<double>(bytes, section(bytes, 2) + 16 * row), 1.0 / static_cast<double>(1 + memory % 7));
    const auto id = at<std::uint64_t>(bytes, section(bytes, 2) + 16 * row + 8);
    EXPECT_EQ(std::memcmp(bytes.data() + section(bytes, 3) + (id >> 16),
                          ("memory-" + std::to_string(memory)).data(), id & 0xFFFF),
              0);
    EXPECT_EQ(at<float>(bytes, section(bytes, 4) + 12 * row + 4), static_cast<float>((memory * 7 + 3) % 10));
  }
  EXPECT_EQ(section_bytes(bytes, 3), 9U * 8);
  // Every page but the last has its checksum there.
  EXPECT_EQ(section(bytes, 10) + 4096, bytes.size());
  for (std::uint64_t page = 0; page < bytes.size() / 4096; ++page) {
    std::array<std::byte, 8> number;
    store_le(number.data(), page);
    const bool last = page + 1 == bytes.size() / 4096;
    const std::uint32_t sum =
        crc32c(crc32c(0, number), Bytes(bytes).subspan(page * 4096, last ? 4092 : 4096));
    EXPECT_EQ(at<std::uint32_t>(bytes, section(bytes, 10) + (last ? 4092 : 4 * page)), sum)
        << "page " << page;
  }
}

TEST(SegmentFormat, OfAWarmSegmentIsAsDocumented) {
  const std::vector<std::byte> bytes = golden(Kind::kWarm);
  expect_common(bytes, 1);
  EXPECT_EQ(at<std::uint64_t>(bytes, 24), 0U);
  // A record: 16 + 3 bytes of code, padded to 20, 16 links, padded to a multiple of 16.
  EXPECT_EQ(section_bytes(bytes, 5), 9U * 96);
  std::uint64_t upper = 0;
  for (std::size_t level = 0; level < 24; ++level) upper += at<std::uint32_t>(bytes, 64 + 4 * level);
  EXPECT_EQ(section_bytes(bytes, 6), upper * 32);
  for (const std::size_t cold : {7, 8, 9}) EXPECT_EQ(section_bytes(bytes, cold), 0U);
  const auto shift = at<float>(bytes, 56);
  for (std::uint64_t row = 0; row < 9; ++row) {
    const std::uint64_t record = section(bytes, 5) + 96 * row;
    const auto step = at<float>(bytes, record + 4);
    const float decoded = at<float>(bytes, record + 8) + step * at<std::uint8_t>(bytes, record + 17) + shift;
    EXPECT_NEAR(decoded, at<float>(bytes, section(bytes, 4) + 12 * row + 4), step);
    EXPECT_LT(at<std::uint32_t>(bytes, record + 20), 9U);  // of nine, each has a neighbour
  }
  EXPECT_EQ(crc32c(0, bytes), 340314948U) << "the bytes changed: so must the format's version";
}

TEST(SegmentFormat, OfAColdSegmentIsAsDocumented) {
  const std::vector<std::byte> bytes = golden(Kind::kCold);
  expect_common(bytes, 2);
  const auto lists = at<std::uint64_t>(bytes, 24);
  EXPECT_EQ(section_bytes(bytes, 5) + section_bytes(bytes, 6), 0U);
  EXPECT_EQ(section_bytes(bytes, 7), lists * 19);
  EXPECT_EQ(section_bytes(bytes, 8), lists * 4);
  EXPECT_EQ(at<std::uint32_t>(bytes, section(bytes, 8) + 4 * (lists - 1)), 9U);
  EXPECT_EQ(section_bytes(bytes, 9), lists * 4096);
  EXPECT_EQ(crc32c(0, bytes), 711897679U) << "the bytes changed: so must the format's version";
}

TEST(SegmentFormat, RefusesHeadersWhoseNumbersCannotBe) {
  const std::vector<std::byte> right = golden(Kind::kCold);
  const auto refused = [&](std::size_t offset, auto value) {
    std::vector<std::byte> page(right.begin(), right.begin() + 4096);
    store_le(page.data() + offset, value);
    store_le(page.data() + 4092, crc32c(0, Bytes(page).first(4092)));
    EXPECT_THROW(format::decode_header(page, right.size(), "/segment"), CorruptionError)
        << "offset " << offset;
  };
  refused(12, std::uint32_t{3});
  for (const std::uint64_t rows : {std::uint64_t{0}, std::uint64_t{10}, ~std::uint64_t{0}}) refused(16, rows);
  for (const std::uint64_t lists : {std::uint64_t{0}, std::uint64_t{10}}) refused(24, lists);
  for (const std::uint32_t dim : {0U, 4U, 65'537U}) refused(32, dim);
  refused(36, std::uint32_t{3});
  refused(40, std::uint32_t{1});
  refused(44, std::uint32_t{0});
  refused(56, std::numeric_limits<float>::quiet_NaN());
  refused(64, std::uint32_t{1});
  for (std::size_t number = 0; number < format::kSections; ++number) {
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0} - 4095}) {
      refused(160 + 16 * number, offset);
    }
    refused(168 + 16 * number, ~std::uint64_t{0} - 4095);
  }
}

}  // namespace
}  // namespace engram::tier
