#include "engine/compaction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace engram::engine {
namespace {

constexpr tier::Kind kWarm = tier::Kind::kWarm;
constexpr tier::Kind kCold = tier::Kind::kCold;

TEST(Compaction, LeavesAloneWhatIsFewAndAlive) {
  const std::vector<SegmentSize> segments{{1, kWarm, 100, 19}, {2, kCold, 5, 0}};
  EXPECT_TRUE(next_compaction(segments).empty());
  EXPECT_TRUE(next_compaction({}).empty());
}

TEST(Compaction, RewritesASegmentOfWhichAFifthIsDead) {
  const std::vector<SegmentSize> segments{{1, kWarm, 100, 19}, {2, kCold, 100, 20}};
  EXPECT_EQ(next_compaction(segments), std::vector<std::uint64_t>{2});
}

TEST(Compaction, MergesTheSmallestOfATierThatHasTooMany) {
  std::vector<SegmentSize> segments;
  for (std::uint64_t number = 1; number <= 9; ++number) {
    segments.push_back({number, kCold, std::size_t{100} << number, 0});
  }
  segments.push_back({10, kWarm, 1, 0});
  EXPECT_EQ(next_compaction(segments), (std::vector<std::uint64_t>{1, 2}));
  segments[0].rows = 400;  // the smallest and the next of 400, which together make room for that of 800
  EXPECT_EQ(next_compaction(segments), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Compaction, CarriedOutAlwaysComesToAnEndWithFewSegmentsAndFewDeadRows) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<SegmentSize> segments;
  std::uint64_t next = 1;
  std::uint64_t moved = 0;
  std::uint64_t written = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::size_t rows = 1 + random() % 100;
    moved += rows;
    segments.push_back({next++, random() % 2 == 0 ? kWarm : kCold, rows, 0});
    SegmentSize& any = segments[random() % segments.size()];
    any.dead = std::min(any.rows, any.dead + random() % 3);
    for (auto numbers = next_compaction(segments); !numbers.empty(); numbers = next_compaction(segments)) {
      SegmentSize merged{next++, kWarm, 0, 0};
      std::erase_if(segments, [&](const SegmentSize& each) {
        if (std::find(numbers.begin(), numbers.end(), each.number) == numbers.end()) return false;
        merged.kind = each.kind;
        merged.rows += each.rows - each.dead;
        return true;
      });
      written += merged.rows;
      if (merged.rows != 0) segments.push_back(merged);
    }
    for (const tier::Kind kind : {kWarm, kCold}) {
      const auto count = std::count_if(segments.begin(), segments.end(),
                                       [&](const SegmentSize& each) { return each.kind == kind; });
      ASSERT_LE(count, static_cast<std::ptrdiff_t>(kMostSegments));
    }
    for (const SegmentSize& each : segments) ASSERT_TRUE(each.dead == 0 || each.dead * 5 < each.rows);
  }
  EXPECT_LT(written, 8 * moved) << "rewritten too often";
}

}  // namespace
}  // namespace engram::engine
