#include "hnsw/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"
#include "hnsw/test_support.h"

namespace engram::hnsw {
namespace {

class OfMetric : public testing::TestWithParam<Metric> {};
INSTANTIATE_TEST_SUITE_P(Graph, OfMetric, testing::Values(Metric::kL2, Metric::kIp, Metric::kCosine));

TEST_P(OfMetric, AWalkFindsNearlyAllOfTheNearest) {
  const Vectors base = random_vectors(6000, 24, 1);
  const auto graph = build(base, GetParam());
  EXPECT_GE(recall(*graph, base, random_vectors(100, 24, 2), 10, 100), 0.97);
}

TEST_P(OfMetric, DistancesAreExactSortedAndWithoutRepeats) {
  const Vectors base = random_vectors(3000, 37, 3);
  const auto graph = build(base, GetParam());
  for (const auto& query : random_vectors(20, 37, 4)) {
    const auto hits = search(*graph, query, 50, 100);
    ASSERT_EQ(hits.size(), 50U);
    EXPECT_EQ(labels(*graph, hits).size(), 50U);
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const double exact = distance(query, base[graph->born(hits[i].slot)], GetParam());
      EXPECT_NEAR(hits[i].distance, exact, 1e-5 * std::max(1.0, std::fabs(exact)));
      if (i > 0) {
        EXPECT_LE(hits[i - 1].distance, hits[i].distance);
      }
    }
  }
}

TEST_P(OfMetric, AsManyAsThereAreAreFoundWhenAllAreAskedFor) {
  for (const std::size_t count : {1, 2, 17, 500, 5000}) {
    const Vectors base = random_vectors(count, 8, 5);
    const auto graph = build(base, GetParam());
    EXPECT_EQ(labels(*graph, search(*graph, base[0], count, 10)).size(), count);
    EXPECT_EQ(search(*graph, base[0], count + 10, 10).size(), count);
  }
}

TEST(Graph, IsEmptyAtFirst) {
  const Graph graph(Options{.dim = 3});
  EXPECT_EQ(graph.size(), 0U);
  EXPECT_TRUE(search(graph, {1, 2, 3}, 5, 10).empty());
}

TEST(Graph, RefusesOptionsOutOfRange) {
  EXPECT_THROW(Graph(Options{.dim = 0}), InvalidInput);
  EXPECT_THROW(Graph(Options{.dim = 65'537}), InvalidInput);
  EXPECT_THROW(Graph(Options{.dim = 4, .m = 1}), InvalidInput);
  EXPECT_THROW(Graph(Options{.dim = 4, .ef_construction = 0}), InvalidInput);
}

TEST(Graph, FindsEveryVectorByItself) {
  const Vectors base = random_vectors(5000, 16, 6);
  const auto graph = build(base, Metric::kL2);
  for (std::size_t i = 0; i < base.size(); ++i) {
    ASSERT_EQ(labels(*graph, search(*graph, base[i], 1, 32)), std::set<std::uint64_t>{i}) << "vector " << i;
  }
}

TEST(Graph, HoldsEqualVectorsByTheThousand) {
  Vectors base(3000, std::vector<float>(12, 0.25F));
  const Vectors others = random_vectors(1000, 12, 7);
  base.insert(base.end(), others.begin(), others.end());
  const auto graph = build(base, Metric::kL2);
  EXPECT_EQ(labels(*graph, search(*graph, base[0], 3000, 64)).size(), 3000U);
  EXPECT_EQ(search(*graph, base[0], 10, 64)[9].distance, 0.0F);
  for (std::size_t i = 3000; i < base.size(); ++i) {
    ASSERT_EQ(labels(*graph, search(*graph, base[i], 1, 64)), std::set<std::uint64_t>{i}) << "vector " << i;
  }
}

TEST(Graph, HoldsConstantDimensionsAndLargeOffsets) {
  // All values near each other and far from zero: float32 must not eat the differences.
  Vectors base = random_vectors(3000, 16, 8, 1.0F, 5000.0F);
  for (auto& vector : base) vector[3] = 5001.0F;
  Vectors queries = random_vectors(50, 16, 9, 1.0F, 5000.0F);
  for (auto& query : queries) query[3] = 5001.0F;
  const auto graph = build(base, Metric::kL2);
  EXPECT_GE(recall(*graph, base, queries, 10, 100), 0.97);
}

TEST(Graph, HoldsTheSmallestAndTheLargestVectors) {
  const Vectors tiny = random_vectors(2500, 8, 10, 1e-19F);
  const auto small = build(tiny, Metric::kCosine);
  EXPECT_GE(recall(*small, tiny, random_vectors(20, 8, 11, 1e-19F), 10, 100), 0.97);
  const Vectors huge = random_vectors(2500, 8, 12, 1e18F);
  const auto large = build(huge, Metric::kL2);
  EXPECT_EQ(search(*large, huge[7], 1, 50)[0].distance, 0.0F);
}

TEST(Graph, HoldsOneDimension) {
  const Vectors base = random_vectors(2500, 1, 13);
  const auto graph = build(base, Metric::kL2);
  EXPECT_GE(recall(*graph, base, random_vectors(50, 1, 14), 5, 64), 0.9);
}

TEST(Graph, CountsASlotFromItsBirthToItsDeath) {
  const Vectors base = random_vectors(3000, 8, 15);
  Graph graph(Options{.dim = 8});
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < base.size(); ++i) {
    slots.push_back(graph.insert(base[i].data(), 100 + i, i == 7 ? kHidden : kAlive));
  }
  graph.set_dead_at(slots[5], 2000);
  const auto sees = [&](std::size_t which, std::uint64_t snapshot) {
    const auto found = labels(graph, search(graph, base[which], 1, 64, snapshot));
    return found == std::set<std::uint64_t>{100 + which};
  };
  EXPECT_FALSE(sees(5, 104));
  EXPECT_TRUE(sees(5, 105));
  EXPECT_TRUE(sees(5, 1999));
  EXPECT_FALSE(sees(5, 2000));
  EXPECT_FALSE(sees(5, kNow));
  EXPECT_FALSE(sees(7, kNow));
  EXPECT_FALSE(sees(2999, 3098));
  EXPECT_TRUE(sees(2999, 3099));
  EXPECT_TRUE(search(graph, base[0], 10, 64, 99).empty());
  EXPECT_EQ(labels(graph, search(graph, base[0], 3000, 64, 150)).size(),
            50U);  // 100..150 without the hidden 107
  graph.set_dead_at(slots[7], kAlive);
  EXPECT_TRUE(sees(7, 107));
  EXPECT_EQ(graph.dead_at(slots[5]), 2000U);
  EXPECT_EQ(graph.born(slots[5]), 105U);
}

TEST(Graph, FindsAllThatAreKept) {
  const Vectors base = random_vectors(4000, 8, 16);
  const auto graph = build(base, Metric::kL2);
  for (const std::size_t every : {2, 10, 400, 4000}) {
    const Graph::Filter filter{.keep = [&](Slot slot) { return graph->born(slot) % every == 0; }};
    const auto hits = search(*graph, base[1], 10, 20, kNow, &filter);
    EXPECT_EQ(hits.size(), std::min<std::size_t>(10, 4000 / every)) << "one in " << every;
    for (const Hit& hit : hits) EXPECT_EQ(graph->born(hit.slot) % every, 0U);
  }
}

// Two far groups, of which the one that the queries do not lie in may be found.
TEST(Graph, FindsWhatIsKeptWhereNoneOfItIsNearTheQuery) {
  const std::size_t dim = 16, half = 4000, k = 10;
  Vectors base = random_vectors(half, dim, 40);
  for (const auto& vector : random_vectors(half, dim, 41, 1.0F, 8.0F)) base.push_back(vector);
  const auto graph = build(base, Metric::kL2);
  const Vectors there(base.begin() + half, base.end());
  const Vectors queries = random_vectors(50, dim, 42);
  for (const bool seeded : {false, true}) {
    std::size_t begun = 0;
    const Graph::Filter filter{.keep = [&](Slot slot) { return graph->born(slot) >= half; },
                               .share = 0.5,
                               .seeds =
                                   [&](std::vector<Slot>& seeds) {
                                     ++begun;
                                     seeds.assign({0, 1});  // these do not pass
                                     if (seeded) seeds.push_back(static_cast<Slot>(half + begun));
                                   }};
    std::size_t right = 0;
    for (const auto& query : queries) {
      std::vector<double> all;
      for (const auto& vector : there) all.push_back(distance(query, vector, Metric::kL2));
      std::nth_element(all.begin(), all.begin() + (k - 1), all.end());
      const auto hits = search(*graph, query, k, 64, kNow, &filter);
      ASSERT_EQ(hits.size(), k);
      for (const Hit& hit : hits) {
        ASSERT_GE(graph->born(hit.slot), half);
        right += static_cast<double>(hit.distance) <= all[k - 1] * (1 + 1e-5) ? 1U : 0U;
      }
    }
    EXPECT_EQ(begun, queries.size());
    EXPECT_GE(right, k * queries.size() * 95 / 100) << "seeded: " << seeded;
  }
}

TEST(Graph, ARetiredSlotIsGoneAndTheOthersAreStillFound) {
  const Vectors base = random_vectors(3000, 12, 17);
  Graph graph(Options{.dim = 12});
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < base.size(); ++i) slots.push_back(graph.insert(base[i].data(), i));
  for (std::size_t i = 0; i < base.size(); i += 2) graph.retire(slots[i]);
  graph.retire(slots[0]);  // a second time: nothing happens
  EXPECT_EQ(graph.size(), 1500U);
  for (std::size_t i = 0; i < base.size(); ++i) {
    const auto found = labels(graph, search(graph, base[i], 1, 64));
    ASSERT_EQ(found == std::set<std::uint64_t>{i}, i % 2 == 1) << "vector " << i;
  }
  EXPECT_EQ(labels(graph, search(graph, base[0], 3000, 64)).size(), 1500U);
}

TEST(Graph, WorksOnAfterEverySlotWasRetired) {
  const Vectors base = random_vectors(3000, 6, 18);
  Graph graph(Options{.dim = 6});
  for (int round = 0; round < 3; ++round) {
    std::vector<Slot> slots;
    for (std::size_t i = 0; i < base.size(); ++i) slots.push_back(graph.insert(base[i].data(), i));
    EXPECT_EQ(graph.size(), base.size());
    EXPECT_EQ(labels(graph, search(graph, base[9], 1, 64)), std::set<std::uint64_t>{9});
    for (const Slot slot : slots) graph.retire(slot);
    EXPECT_EQ(graph.size(), 0U);
    EXPECT_TRUE(search(graph, base[9], 1, 64).empty());
  }
}

TEST(Graph, TheSameInsertsGiveTheSameGraph) {
  const Vectors base = random_vectors(4000, 16, 19);
  const auto one = build(base, Metric::kL2);
  const auto two = build(base, Metric::kL2);
  for (const auto& query : random_vectors(50, 16, 20)) {
    const auto a = search(*one, query, 20, 20);
    const auto b = search(*two, query, 20, 20);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].slot, b[i].slot);
      EXPECT_EQ(a[i].distance, b[i].distance);
    }
  }
}

TEST(Graph, KeepsHalfPrecisionWhenAskedTo) {
  const Vectors base = random_vectors(3000, 32, 21);
  for (const Scalar scalar : {Scalar::kBf16, Scalar::kF16}) {
    const auto graph = build(base, Metric::kCosine, scalar);
    EXPECT_GE(recall(*graph, base, random_vectors(50, 32, 22), 10, 100), 0.9);
    std::vector<float> kept(32);
    graph->copy_vector(11, kept.data());
    for (std::size_t i = 0; i < 32; ++i)
      EXPECT_NEAR(kept[i], base[11][i], 0.01 * std::fabs(base[11][i]) + 1e-6);
  }
}

TEST(Graph, ASmallGraphTakesLittleMemory) {
  const Vectors base = random_vectors(1000, 128, 23);
  const auto graph = build(base, Metric::kL2);
  EXPECT_LT(graph->memory_bytes(), std::size_t{2} << 20);
}

// Run under ThreadSanitizer: every verb at once.
TEST(Graph, InsertsSearchesAndRetiresFromManyThreads) {
  const std::size_t dim = 16;
  const Vectors base = random_vectors(3000, dim, 24);
  Graph graph(Options{.dim = dim, .ef_construction = 40});
  std::vector<std::atomic<Slot>> slots(base.size());
  for (auto& slot : slots) slot = kNoSlot;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> done{false};
  const auto insert = [&] {
    for (std::size_t i = next++; i < base.size(); i = next++) {
      slots[i] = graph.insert(base[i].data(), i, i % 5 == 0 ? kHidden : kAlive);
      if (i % 5 == 0) graph.set_dead_at(slots[i], kAlive);
      if (i >= 500 && i % 3 == 0) {
        if (const Slot old = slots[i - 500].exchange(kNoSlot); old != kNoSlot) graph.retire(old);
      }
    }
  };
  const auto look = [&](std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<float> copy(dim);
    while (!done) {
      const Graph::Guard guard = graph.pin();
      const auto hits = search(graph, base[random() % base.size()], 10, 30, seed % 2 == 0 ? kNow : 1500);
      for (std::size_t i = 1; i < hits.size(); ++i) EXPECT_LE(hits[i - 1].distance, hits[i].distance);
      if (!hits.empty()) graph.copy_vector(hits[0].slot, copy.data());
    }
  };
  std::vector<std::thread> writers;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) writers.emplace_back(insert);
  for (std::uint32_t i = 0; i < 3; ++i) readers.emplace_back(look, i);
  for (auto& writer : writers) writer.join();
  done = true;
  for (auto& reader : readers) reader.join();
  std::size_t missing = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    if (slots[i] != kNoSlot)
      missing += labels(graph, search(graph, base[i], 1, 400)) != std::set<std::uint64_t>{i};
  }
  EXPECT_EQ(missing, 0U);
}

}  // namespace
}  // namespace engram::hnsw
