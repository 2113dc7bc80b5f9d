#include "base/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>
#include <vector>

namespace engram {
namespace {

TEST(Histogram, EveryValueLiesInItsBucket) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    const std::size_t bucket = Histogram::bucket(value);
    ASSERT_LT(bucket, Histogram::kBuckets);
    ASSERT_GE(static_cast<double>(value), Histogram::least(bucket)) << value;
    ASSERT_LE(static_cast<double>(value), Histogram::least(bucket + 1)) << value;
    ASSERT_LE(static_cast<double>(value), 1.25 * Histogram::least(bucket) + 1) << value;
  }
  EXPECT_EQ(Histogram::bucket(std::numeric_limits<std::uint64_t>::max()), Histogram::kBuckets - 1);
}

TEST(Histogram, QuantilesAreWithinAQuarterOfTheTruth) {
  std::mt19937_64 random(2);
  std::lognormal_distribution<double> latency(10, 1);
  Histogram histogram;
  std::vector<double> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(std::floor(latency(random)));
    histogram.record(static_cast<std::uint64_t>(values.back()));
  }
  std::sort(values.begin(), values.end());
  const Histogram::Snapshot seen = histogram.snapshot();
  for (const double share : {0.01, 0.5, 0.95, 0.99}) {
    const double truth = values[static_cast<std::size_t>(share * 20'000)];
    EXPECT_NEAR(seen.quantile(share), truth, 0.25 * truth) << share;
  }
  EXPECT_EQ(seen.quantile(1.0), values.back());
  EXPECT_EQ(static_cast<double>(seen.most), values.back());
  EXPECT_EQ(seen.count, 20'000U);
}

TEST(Histogram, AnEmptyOneTellsNothing) {
  const Histogram::Snapshot seen = Histogram().snapshot();
  EXPECT_EQ(seen.count, 0U);
  EXPECT_EQ(seen.quantile(0.5), 0.0);
  EXPECT_EQ(seen.mean(), 0.0);
}

TEST(Histogram, NothingIsLostWhenManyRecordAtOnce) {
  Histogram histogram;
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&histogram] {
      for (std::uint64_t i = 0; i < 20'000; ++i) histogram.record(i, 2);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Histogram::Snapshot seen = histogram.snapshot();
  EXPECT_EQ(seen.count, 4U * 2U * 20'000U);
  EXPECT_EQ(seen.sum, 4.0 * 2.0 * 20'000.0 * 19'999.0 / 2.0);
  EXPECT_EQ(seen.most, 19'999U);
}

}  // namespace
}  // namespace engram
