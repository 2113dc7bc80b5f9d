#include "engine/toll.h"

#include <gtest/gtest.h>

namespace engram::engine {
namespace {

std::size_t pauses(std::size_t pending, std::size_t calls) {
  Toll toll;
  std::size_t count = 0;
  for (std::size_t i = 0; i < calls; ++i) count += toll.is_due(pending) ? 1 : 0;
  return count;
}

TEST(Toll, AShortQueueCostsNothing) {
  EXPECT_EQ(pauses(0, 10'000), 0u);
  EXPECT_EQ(pauses(Toll::kFree - 1, 10'000), 0u);
}

TEST(Toll, TheShareGrowsWithTheQueueToTwoCallsOfFive) {
  EXPECT_EQ(pauses(128, 10'000), 1'000u);
  EXPECT_EQ(pauses(256, 10'000), 2'000u);
  EXPECT_EQ(pauses(512, 10'000), 4'000u);
  EXPECT_EQ(pauses(65'536, 10'000), 4'000u);
}

TEST(Toll, NoTwoCallsInARowPause) {
  Toll toll;
  bool before = false;
  for (std::size_t i = 0; i < 10'000; ++i) {
    const bool due = toll.is_due(128 + i * 7);
    EXPECT_FALSE(due && before) << "call " << i;
    before = due;
  }
}

}  // namespace
}  // namespace engram::engine
