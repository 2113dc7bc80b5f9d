#include "hnsw/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace engram::hnsw {
namespace {

#if defined(__linux__)
std::size_t bytes_of_this_process(const std::string& kind) {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::size_t kilobytes = 0;
  while (status >> word) {
    if (word == kind) status >> kilobytes;
  }
  return kilobytes << 10;
}

// What RLIMIT_DATA is held against.
std::size_t data_bytes() {
  return bytes_of_this_process("VmData:");
}

TEST(ChunkedArray, CountsAsDataLittleMoreThanItHolds) {
  constexpr std::size_t kStride = 400;
  ChunkedArray array(kStride, 1U << 24);
  const std::size_t before = data_bytes();
  array.reserve(0);
  EXPECT_LE(data_bytes() - before, std::size_t{1} << 20);
  constexpr std::size_t kElements = 100'000;
  for (std::size_t i = 0; i < kElements; ++i) array.reserve(i);
  EXPECT_LE(data_bytes() - before, kElements * kStride + (std::size_t{3} << 20));
}

TEST(ChunkedArray, TakesNoWholeHugePageForAnEndOfSomeKilobytes) {
  constexpr int kCollapse = 25;
  if (::madvise(nullptr, 0, kCollapse) != 0) GTEST_SKIP() << "this system makes no huge page of small ones";
  constexpr std::size_t kStride = 512;
  constexpr std::size_t kElements = ((4U << 20) + (128U << 10)) / kStride;
  ChunkedArray array(kStride, 1U << 24);
  const std::size_t before = bytes_of_this_process("RssAnon:");
  for (std::size_t i = 0; i < kElements; ++i) {
    array.reserve(i);
    std::memset(array.at(i), 1, kStride);
  }
  EXPECT_LE(bytes_of_this_process("RssAnon:") - before, kElements * kStride + (std::size_t{1} << 20));
  EXPECT_LE(array.memory_bytes(kElements), kElements * kStride + 4096);
}
#endif

// Strides that fit a page, cross pages, and are larger than a step or a chunk's share of one.
TEST(ChunkedArray, HoldsWhatIsPutThereInElementsOfAnySize) {
  for (const std::size_t stride :
       {std::size_t{2}, std::size_t{16}, std::size_t{4100}, std::size_t{262'144}}) {
    ChunkedArray array(stride, 1U << 20);
    const std::size_t count = std::min<std::size_t>(200'000, (std::size_t{160} << 20) / stride);
    EXPECT_FALSE(array.reserved(0)) << stride;
    for (std::size_t i = 0; i < count; ++i) {
      array.reserve(i);
      ASSERT_TRUE(array.reserved(i)) << stride;
      ASSERT_EQ(std::to_integer<int>(array.at(i)[stride - 1]), 0) << stride << " " << i;
      const auto mark = static_cast<std::uint16_t>(i * 2654435761U >> 7);
      std::memcpy(array.at(i), &mark, sizeof mark);
    }
    for (std::size_t i = 0; i < count; ++i) {
      std::uint16_t mark = 0;
      std::memcpy(&mark, array.at(i), sizeof mark);
      ASSERT_EQ(mark, static_cast<std::uint16_t>(i * 2654435761U >> 7)) << stride << " " << i;
    }
  }
}

TEST(ChunkedArray, AReservedElementBringsAllBelowIt) {
  ChunkedArray array(48, 1U << 22);
  array.reserve(3'000'000);  // in the third chunk
  for (std::size_t i = 0; i <= 3'000'000; i += 4099) {
    ASSERT_TRUE(array.reserved(i));
    *array.at(i) = std::byte{1};
  }
}

TEST(ChunkedArray, GrowsUnderManyThreads) {
  ChunkedArray array(1024, 1U << 20);
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = next.fetch_add(1); i < 80'000; i = next.fetch_add(1)) {
        array.reserve(i);
        std::memcpy(array.at(i), &i, sizeof i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < 80'000; ++i) {
    std::size_t there = 0;
    std::memcpy(&there, array.at(i), sizeof there);
    ASSERT_EQ(there, i);
  }
}

}  // namespace
}  // namespace engram::hnsw
