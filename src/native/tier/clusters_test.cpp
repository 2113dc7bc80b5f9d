#include "tier/clusters.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tier/segment_testing.h"

namespace engram::tier {
namespace {

// Each row once, each list within its bounds, each centroid the mean of its rows.
void expect_lists(const Clusters& lists, Memories& memories, std::size_t longest) {
  SystemVector<std::uint32_t> rows = lists.order;
  std::sort(rows.begin(), rows.end());
  ASSERT_EQ(rows.size(), memories.size());
  for (std::uint32_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], i);
  ASSERT_EQ(lists.centroids.size(), lists.ends.size() * memories.dim());
  ASSERT_EQ(lists.ends.back(), memories.size());
  std::uint32_t begin = 0;
  for (std::size_t list = 0; list < lists.ends.size(); ++list) {
    const std::uint32_t end = lists.ends[list];
    ASSERT_GT(end, begin);
    ASSERT_LE(end - begin, longest);
    double first = 0;
    for (std::uint32_t i = begin; i < end; ++i)
      first += static_cast<double>(memories.vector(lists.order[i])[0]);
    ASSERT_NEAR(lists.centroids[list * memories.dim()], first / (end - begin), 1e-3 * (1 + std::fabs(first)));
    begin = end;
  }
}

TEST(Clusters, HoldEveryRowOnceInListsOfBoundedLength) {
  for (const std::size_t rows : {1, 2, 99, 100, 101, 1500}) {
    for (const std::size_t longest : {1, 10, 100}) {
      SCOPED_TRACE(std::to_string(rows) + " rows in lists of " + std::to_string(longest));
      Memories memories(rows, 9, rows);
      expect_lists(cluster(memories.rows(), memories.shape(), longest, {}), memories, longest);
    }
  }
}

TEST(Clusters, BoundListsOfCopiesAndOfRowsThatCannotBeParted) {
  Memories copies(1500, 4, 1);
  for (std::size_t i = 1; i < 1500; ++i) std::copy_n(copies.vector(0), 4, copies.vector(i));
  expect_lists(cluster(copies.rows(), copies.shape(), 100, {}), copies, 100);
  Memories spread(400, 1, 2);  // each twice as far out as the one before
  for (std::size_t i = 0; i < 400; ++i) spread.vector(i)[0] = std::ldexp(1.0F, static_cast<int>(i % 120));
  expect_lists(cluster(spread.rows(), spread.shape(), 10, {}), spread, 10);
}

TEST(Clusters, PutNearRowsTogether) {
  Memories memories(2000, 16, 3);
  const Clusters lists = cluster(memories.rows(), memories.shape(), 100, {});
  double within = 0;
  double across = 0;
  std::uint32_t begin = 0;
  for (std::size_t list = 0; list < lists.ends.size(); ++list) {
    const float* const other =
        lists.centroids.data() + (list + lists.ends.size() / 2) % lists.ends.size() * 16;
    for (std::uint32_t i = begin; i < lists.ends[list]; ++i) {
      within += static_cast<double>(
          memories.distance(memories.vector(lists.order[i]), lists.centroids.data() + list * 16));
      across += static_cast<double>(memories.distance(memories.vector(lists.order[i]), other));
    }
    begin = lists.ends[list];
  }
  EXPECT_LT(within, 0.5 * across);
}

}  // namespace
}  // namespace engram::tier
