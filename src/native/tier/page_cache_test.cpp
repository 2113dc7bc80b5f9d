#include "tier/page_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace engram::tier {
namespace {

PageCache::Block block(std::size_t bytes, unsigned char what) {
  return std::make_shared<std::vector<std::byte>>(bytes, std::byte{what});
}

TEST(PageCache, GivesBackWhatWasPut) {
  PageCache cache(1 << 20);
  const PageCache::Owner a = cache.new_owner();
  const PageCache::Owner b = cache.new_owner();
  ASSERT_NE(a, b);
  cache.put(a, 7, block(100, 1));
  cache.put(b, 7, block(100, 2));
  EXPECT_EQ((*cache.find(a, 7))[0], std::byte{1});
  EXPECT_EQ((*cache.find(b, 7))[0], std::byte{2});
  EXPECT_EQ(cache.find(a, 8), nullptr);
  EXPECT_EQ(cache.counters().hits, 2U);
  EXPECT_EQ(cache.counters().misses, 1U);
  cache.put(a, 7, block(50, 3));
  EXPECT_EQ((*cache.find(a, 7))[0], std::byte{3});
  EXPECT_EQ(cache.counters().blocks, 2U);
}

TEST(PageCache, KeepsToItsBudgetAndKeepsWhatIsAskedFor) {
  PageCache cache(std::size_t{1} << 20);
  const PageCache::Owner owner = cache.new_owner();
  for (std::uint64_t i = 0; i < 64; ++i) cache.put(owner, i, block(4096, 1));
  for (std::uint64_t i = 64; i < 4000; ++i) {
    for (std::uint64_t wanted = 0; wanted < 64; ++wanted) ASSERT_NE(cache.find(owner, wanted), nullptr) << i;
    cache.put(owner, i, block(4096, 2));
    ASSERT_LE(cache.counters().bytes, cache.budget());
  }
  EXPECT_GT(cache.counters().evictions, 3000U);
  EXPECT_GT(cache.counters().blocks, 150U);
}

TEST(PageCache, DropsWhatBelongedToOneOwner) {
  PageCache cache(1 << 20);
  const PageCache::Owner a = cache.new_owner();
  const PageCache::Owner b = cache.new_owner();
  for (std::uint64_t i = 0; i < 50; ++i) cache.put(i % 2 == 0 ? a : b, i, block(100, 1));
  cache.drop(a);
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(cache.find(i % 2 == 0 ? a : b, i) != nullptr, i % 2 == 1);
}

TEST(PageCache, HoldsNothingWithoutABudget) {
  PageCache cache(0);
  cache.put(cache.new_owner(), 1, block(10, 1));
  EXPECT_EQ(cache.counters().blocks, 0U);
}

TEST(PageCache, IsUsedByManyThreads) {
  PageCache cache(std::size_t{1} << 18);
  const PageCache::Owner owner = cache.new_owner();
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 2000; ++i) {
        const std::uint64_t extent = random() % 100;
        if (const PageCache::Block found = cache.find(owner, extent)) {
          ASSERT_EQ((*found)[0], static_cast<std::byte>(extent));
        } else {
          cache.put(owner, extent, block(4096, static_cast<unsigned char>(extent)));
        }
        if (i % 500 == 0) cache.drop(owner);
      }
    });
  }
}

}  // namespace
}  // namespace engram::tier
