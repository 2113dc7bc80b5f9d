#include "tier/live_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

namespace engram::tier {
namespace {

TEST(LiveRows, AreAMapFromRowsToWhenTheyDied) {
  constexpr std::size_t kRows = 200;
  LiveRows live(kRows);
  std::map<Row, std::uint64_t> died;  // 0: dead to everybody
  std::mt19937_64 random(1);
  std::uint64_t settled = 0;
  for (std::uint64_t now = 1; now < 2000; ++now) {
    const auto row = static_cast<Row>(random() % kRows);
    switch (random() % 12) {
      case 0:
        EXPECT_EQ(live.bury(row), !died.contains(row));
        died[row] = 0;
        break;
      case 1:
        EXPECT_EQ(live.kill(row, now), died.emplace(row, now).second);
        break;
      case 2:
        settled = std::max(settled, now - random() % 50 % now);
        live.settle(settled);
        break;
      default:
        break;
    }
    const std::uint64_t snapshot = settled + random() % 60;
    const auto there = died.find(row);
    EXPECT_EQ(live.counts(row, snapshot), there == died.end() || snapshot < there->second);
    EXPECT_EQ(live.dead(row), there != died.end());
    EXPECT_EQ(live.dead_count(), died.size());
  }
}

TEST(LiveRows, AreSavedAsOfASnapshot) {
  LiveRows live(21);
  live.kill(3, 10);
  live.kill(20, 11);
  live.bury(8);
  const std::vector<std::byte> before = live.dead_bits(10);
  EXPECT_EQ(before, (std::vector<std::byte>{std::byte{8}, std::byte{1}, std::byte{0}}));
  LiveRows again(21);
  ASSERT_TRUE(again.bury_bits(live.dead_bits()));
  for (Row row = 0; row < 21; ++row) EXPECT_EQ(again.counts(row, 0), row != 3 && row != 8 && row != 20);
}

TEST(LiveRows, RefuseBitsOfOtherRows) {
  LiveRows live(21);
  EXPECT_FALSE(live.bury_bits(std::vector<std::byte>(2)));
  EXPECT_FALSE(live.bury_bits(std::vector<std::byte>(4)));
  EXPECT_FALSE(live.bury_bits(std::vector<std::byte>{std::byte{1}, std::byte{0}, std::byte{1U << 5}}));
  EXPECT_EQ(live.dead_count(), 0U);
}

TEST(LiveRows, NeverHideARowFromARecallOfBeforeItsDeath) {
  LiveRows live(64);
  std::jthread killer([&] {
    for (Row row = 0; row < 64; ++row) live.kill(row, 100);
  });
  for (int round = 0; round < 200; ++round) {
    for (Row row = 0; row < 64; ++row) ASSERT_TRUE(live.counts(row, 99));
  }
}

}  // namespace
}  // namespace engram::tier
