#include "engine/probe.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <thread>

namespace engram::engine {
namespace {

constexpr std::array<float, 3> kCue{1, 2, 3};

TEST(Probe, ACueIsTakenOnlyWhenSomebodyWaitsForOne) {
  Probe probe;
  EXPECT_FALSE(probe.wanted());
  probe.offer(kCue.data(), 3, 64);
  EXPECT_FALSE(probe.wait(Seconds(0)).has_value());
  EXPECT_TRUE(probe.wanted());
  probe.offer(kCue.data(), 3, 65);
  EXPECT_FALSE(probe.wanted());
  probe.offer(kCue.data(), 3, 66);  // too late: the place is taken
  const std::optional<Probe::Cue> cue = probe.wait(Seconds(0));
  ASSERT_TRUE(cue.has_value());
  EXPECT_EQ(cue->vector, std::vector<float>(kCue.begin(), kCue.end()));
  EXPECT_EQ(cue->ef, 65U);
}

TEST(Probe, StoppingWakesWhoWaits) {
  Probe probe;
  std::thread waiting([&] { EXPECT_FALSE(probe.wait(Seconds(1e6)).has_value()); });
  while (!probe.wanted()) std::this_thread::yield();
  probe.stop();
  waiting.join();
  EXPECT_FALSE(probe.wait(Seconds(1e6)).has_value());
  EXPECT_FALSE(probe.wanted());
}

TEST(Probe, WithoutACueEverythingIsPossible) {
  const Probe::Estimate estimate = Probe().estimate();
  EXPECT_EQ(estimate.cues, 0U);
  EXPECT_EQ(estimate.low, 0.0);
  EXPECT_EQ(estimate.high, 1.0);
}

// Wilson's interval of 9 of 10, from the formula by hand.
TEST(Probe, TheIntervalIsWilsons) {
  Probe probe;
  probe.add(9, 10);
  const Probe::Estimate estimate = probe.estimate();
  EXPECT_DOUBLE_EQ(estimate.recall, 0.9);
  EXPECT_NEAR(estimate.low, 0.5958, 1e-4);
  EXPECT_NEAR(estimate.high, 0.9821, 1e-4);
}

TEST(Probe, AllFoundLeavesADoubtThatShrinks) {
  Probe probe;
  double before = 0;
  for (int cues = 1; cues <= 100; ++cues) {
    probe.add(10, 10);
    const Probe::Estimate estimate = probe.estimate();
    EXPECT_EQ(estimate.recall, 1.0);
    EXPECT_EQ(estimate.high, 1.0);
    EXPECT_GT(estimate.low, before);
    before = estimate.low;
  }
}

// Cues that are found wholly or not at all say less than as many neighbours found one by one: the interval
// must hold the truth about as often as it says, not half as often.
TEST(Probe, TheIntervalHoldsTheTruthAlsoWhenNeighboursAreMissedTogether) {
  std::mt19937_64 random(7);
  int held = 0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    Probe probe;
    for (int cue = 0; cue < 200; ++cue) probe.add(random() % 10 < 8 ? 10 : 0, 10);
    const Probe::Estimate estimate = probe.estimate();
    if (estimate.low <= 0.8 && 0.8 <= estimate.high) ++held;
  }
  EXPECT_GE(held, kRuns * 92 / 100);
  EXPECT_LE(held, kRuns * 98 / 100);
}

TEST(Probe, OldResultsAreForgotten) {
  Probe probe;
  for (std::size_t i = 0; i < Probe::kRemembered; ++i) probe.add(0, 10);
  for (std::size_t i = 0; i < Probe::kRemembered; ++i) probe.add(10, 10);
  EXPECT_EQ(probe.estimate().recall, 1.0);
  EXPECT_EQ(probe.estimate().cues, Probe::kRemembered);
}

}  // namespace
}  // namespace engram::engine
