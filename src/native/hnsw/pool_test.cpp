#include "hnsw/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace engram::hnsw {
namespace {

using Entries = std::vector<std::pair<float, Slot>>;

Entries entries_of(const Pool& pool) {
  Entries entries;
  for (std::size_t i = 0; i < pool.size(); ++i) entries.emplace_back(pool.distance(i), pool.slot(i));
  return entries;
}

TEST(Pool, ForgetsWhatDoesNotCountAndKeepsTheOrder) {
  Pool pool;
  pool.reset(10, 20, 5);
  for (Slot slot = 0; slot < 12; ++slot) {
    pool.insert(simd::active(), static_cast<float>(20 - slot), slot, slot % 3 != 0);
  }
  Entries expected = entries_of(pool);
  std::erase_if(expected, [](const auto& entry) { return entry.second % 3 == 0; });
  pool.keep_counted();
  EXPECT_EQ(entries_of(pool), expected);
  EXPECT_EQ(pool.take_next(), kNoSlot);  // the walk is over
}

TEST(Pool, SortsByOtherDistancesAndKeepsTheOrderOfEqualOnes) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE("seed 5, round " + std::to_string(round));
    Pool pool;
    pool.reset(100, 100, 100);
    for (Slot slot = 0; slot < 80; ++slot) {
      pool.insert(simd::active(), static_cast<float>(random() % 50), slot);
    }
    std::vector<float> distances;
    Entries expected;
    for (std::size_t i = 0; i < pool.size(); ++i) {
      distances.push_back(static_cast<float>(random() % 20));
      expected.emplace_back(distances.back(), pool.slot(i));
    }
    std::stable_sort(expected.begin(), expected.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    pool.rescore(distances.data());
    EXPECT_EQ(entries_of(pool), expected);
  }
}

TEST(Pool, ExpandsAllUntilItIsFullAndThenTheNearestWithinReach) {
  Pool pool;
  pool.reset(6, 6, 5, 2);
  for (Slot slot = 0; slot < 5; ++slot) pool.insert(simd::active(), static_cast<float>(slot + 1), slot);
  for (Slot slot = 0; slot < 4; ++slot) EXPECT_EQ(pool.take_next(), slot);
  pool.insert(simd::active(), 10, 5);  // full: the two nearest are expanded
  EXPECT_EQ(pool.peek_next(), kNoSlot);
  EXPECT_EQ(pool.take_next(), kNoSlot);
  pool.insert(simd::active(), 1.5F, 6);
  EXPECT_EQ(pool.peek_next(), 6U);
  EXPECT_EQ(pool.take_next(), 6U);
  pool.insert(simd::active(), 2.5F, 7);
  EXPECT_EQ(pool.take_next(), kNoSlot);
  EXPECT_EQ(pool.size(), 6U);
}

}  // namespace
}  // namespace engram::hnsw
