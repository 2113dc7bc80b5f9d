#include "base/system_vector.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <numeric>

namespace engram {
namespace {

bool is_mapped(const void* at) {
  unsigned char resident = 0;
  return ::mincore(const_cast<void*>(at), 1, &resident) == 0;
}

TEST(SystemVector, KeepsItsValuesThroughGrowthFromSmallToLarge) {
  SystemVector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < 100'000; ++i) numbers.push_back(i);
  for (std::uint64_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], i);
}

TEST(SystemVector, GivesALargeBlockBackAtOnce) {
  const void* at = nullptr;
  {
    const SystemVector<std::uint64_t> numbers(1 << 20, 7);
    at = numbers.data();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 4096, 0U);
    EXPECT_TRUE(is_mapped(at));
  }
  EXPECT_FALSE(is_mapped(at));
  EXPECT_EQ(errno, ENOMEM);
}

TEST(SystemVector, MovesWithoutCopying) {
  SystemVector<std::uint32_t> from(50'000, 3);
  const std::uint32_t* const at = from.data();
  const SystemVector<std::uint32_t> to = std::move(from);
  EXPECT_EQ(to.data(), at);
  EXPECT_EQ(std::accumulate(to.begin(), to.end(), std::uint64_t{0}), 150'000U);
}

TEST(SystemVector, ThrowsWhenTheSystemHasNotSoMuch) {
  SystemVector<std::uint64_t> numbers;
  EXPECT_THROW(numbers.reserve(std::size_t{1} << 48), std::bad_alloc);
  EXPECT_THROW(SystemAllocator<std::uint64_t>().allocate(std::numeric_limits<std::size_t>::max()),
               std::bad_alloc);
}

}  // namespace
}  // namespace engram
