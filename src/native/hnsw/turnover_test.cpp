// What is left of a graph when its vectors are replaced again and again: as much recall, no more memory, and
// a path to every node.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hnsw/graph.h"
#include "hnsw/test_support.h"

namespace engram::hnsw {
namespace {

TEST(Turnover, NeitherForgetsNorGrowsWhenEverythingIsReplacedTenTimes) {
  const std::size_t count = 3000;
  const Vectors queries = random_vectors(100, 12, 25);
  Vectors base = random_vectors(count, 12, 26);
  Graph graph(Options{.dim = 12});
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < count; ++i) slots.push_back(graph.insert(base[i].data(), i));
  std::mt19937 random(27);
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  for (std::uint32_t turn = 0; turn < 10; ++turn) {
    const Vectors next = random_vectors(count, 12, 100 + turn);
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
      graph.retire(slots[i]);
      base[i] = next[i];
      slots[i] = graph.insert(base[i].data(), i);
    }
  }
  EXPECT_EQ(graph.size(), count);
  EXPECT_LE(graph.slots(), count * 11 / 10);
  const double fresh = recall(*build(base, Metric::kL2), base, queries, 10, 40);
  EXPECT_GE(recall(graph, base, queries, 10, 40), fresh - 0.01);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(labels(graph, search(graph, base[i], 1, 100)), std::set<std::uint64_t>{i}) << "vector " << i;
  }
  EXPECT_EQ(labels(graph, search(graph, base[0], count, 100)).size(), count);
}

// `count` vectors, each one of `distinct` normal ones.
Vectors repeated_vectors(std::size_t count, std::size_t distinct, std::size_t dim, std::uint32_t seed) {
  const Vectors different = random_vectors(distinct, dim, seed);
  std::mt19937 random(seed + 1);
  Vectors vectors;
  for (std::size_t i = 0; i < count; ++i) vectors.push_back(different[random() % distinct]);
  return vectors;
}

// Small whole numbers: many equal distances, many equal vectors.
Vectors lattice_vectors(std::size_t count, std::size_t side, std::size_t dim, std::uint32_t seed) {
  std::mt19937 random(seed);
  Vectors vectors(count, std::vector<float>(dim));
  for (auto& vector : vectors) {
    for (float& x : vector) x = static_cast<float>(random() % side);
  }
  return vectors;
}

// Every label's vector, replaced in any order.
class Turning {
 public:
  explicit Turning(Vectors base, Metric metric = Metric::kL2)
      : graph_(Options{.dim = base[0].size(), .metric = metric, .ef_construction = 100}),
        base_(std::move(base)) {
    for (std::size_t i = 0; i < base_.size(); ++i) slots_.push_back(graph_.insert(base_[i].data(), i));
  }

  void replace_all(Vectors next, std::uint32_t seed) {
    std::vector<std::size_t> order(base_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    for (const std::size_t i : order) {
      graph_.retire(slots_[i]);
      base_[i] = std::move(next[i]);
      slots_[i] = graph_.insert(base_[i].data(), i);
    }
  }

  // Of the vectors, how many are not found by themselves.
  std::size_t missed(std::size_t ef) const {
    std::size_t missed = 0;
    for (const auto& vector : base_) {
      const auto hits = search(graph_, vector, 1, ef);
      missed += hits.empty() || distance(vector, base_[graph_.born(hits[0].slot)], Metric::kL2) > 0 ? 1U : 0U;
    }
    return missed;
  }

  Graph& graph() { return graph_; }
  std::vector<Slot>& slots() { return slots_; }
  const Vectors& base() const { return base_; }

 private:
  Graph graph_;
  Vectors base_;
  std::vector<Slot> slots_;
};

TEST(Turnover, OfRepeatedVectorsAllAreStillFound) {
  const auto draw = [](std::uint32_t turn) { return repeated_vectors(2000, 600, 64, 1000 + 10 * turn); };
  Turning turning(draw(0));
  const std::size_t fresh = turning.missed(32);
  for (std::uint32_t turn = 1; turn <= 3; ++turn) {
    turning.replace_all(draw(turn), turn);
    EXPECT_EQ(turning.graph().unreachable(), 0U) << "after turnover " << turn;
    EXPECT_LE(turning.missed(32), fresh + 20) << "after turnover " << turn;
  }
}

TEST(Turnover, OfTheSameRepeatedVectorsAllAreStillFound) {
  const Vectors same = repeated_vectors(2000, 600, 64, 2000);
  Turning turning(same);
  const std::size_t fresh = turning.missed(32);
  for (std::uint32_t turn = 1; turn <= 3; ++turn) {
    turning.replace_all(same, turn);
    EXPECT_EQ(turning.graph().unreachable(), 0U) << "after turnover " << turn;
    EXPECT_LE(turning.missed(32), fresh + 20) << "after turnover " << turn;
  }
}

TEST(Turnover, OnALatticeAllAreStillFound) {
  for (const std::size_t dim : {2, 4, 12}) {
    Turning turning(lattice_vectors(3000, dim == 12 ? 2 : 6, dim, 1));
    for (std::uint32_t turn = 1; turn <= 3; ++turn) {
      turning.replace_all(lattice_vectors(3000, dim == 12 ? 2 : 6, dim, 1 + turn), turn);
      EXPECT_EQ(turning.graph().unreachable(), 0U) << dim << " dimensions, after turnover " << turn;
      EXPECT_EQ(turning.missed(64), 0U) << dim << " dimensions, after turnover " << turn;
    }
  }
}

TEST(Turnover, ThousandsOfCopiesOutliveTheOneThatIsLinked) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    Vectors base(3000, std::vector<float>(12, 0.25F));
    const Vectors others = random_vectors(1000, 12, 7);
    base.insert(base.end(), others.begin(), others.end());
    Turning turning(base, metric);
    Graph& graph = turning.graph();
    for (std::size_t i = 0; i + 1 < 3000; ++i) {  // the first that came is the one that is linked
      graph.retire(turning.slots()[i]);
      if (i % 100 == 0) {
        ASSERT_EQ(graph.unreachable(), 0U) << i << " retired";
      }
    }
    EXPECT_EQ(graph.unreachable(), 0U);
    EXPECT_EQ(graph.size(), 1001U);
    EXPECT_EQ(labels(graph, search(graph, base[0], 1001, 64)).size(), 1001U);
  }
}

TEST(Turnover, WhereAllAreEqualNoneIsLost) {
  Turning turning(Vectors(2000, std::vector<float>(8, 0.5F)));
  for (std::uint32_t turn = 1; turn <= 3; ++turn) {
    turning.replace_all(Vectors(2000, std::vector<float>(8, 0.5F)), turn);
    EXPECT_EQ(turning.graph().unreachable(), 0U);
    EXPECT_EQ(turning.missed(64), 0U);
  }
}

TEST(Turnover, CopiesSurviveTheFile) {
  const Vectors base = repeated_vectors(3000, 500, 32, 3000);
  Turning turning(base);
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("engram_copies_" + std::to_string(std::random_device()()));
  const auto saved = FileSystem::system().open(path, OpenMode::kCreate);
  turning.graph().save(*saved);
  const auto loaded = Graph::load(*saved, path);
  std::filesystem::remove(path);
  EXPECT_EQ(loaded->unreachable(), 0U);
  std::vector<Slot> slots = turning.slots();
  for (std::size_t i = 0; i < base.size(); ++i) {
    loaded->retire(slots[i]);
    loaded->insert(base[base.size() - 1 - i].data(), i);
  }
  EXPECT_EQ(loaded->unreachable(), 0U);
  for (const auto& vector : base) {
    ASSERT_EQ(search(*loaded, vector, 1, 64)[0].distance, 0.0F);
  }
}

TEST(Turnover, AnotherOrderOfSlotsChangesNoAnswerAndLeavesNoGaps) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    const Vectors base = repeated_vectors(3000, 1500, 16, 5000);
    Turning turning(base, metric);
    Graph& graph = turning.graph();
    for (std::size_t i = 0; i < 1000; ++i) graph.retire(turning.slots()[i]);
    const auto laid_out = graph.in_walk_order();
    EXPECT_EQ(laid_out->size(), 2000U);
    EXPECT_EQ(laid_out->slots(), 2000U);
    EXPECT_EQ(laid_out->unreachable(), 0U);
    for (const auto& query : random_vectors(50, 16, 5001)) {
      const auto before = search(graph, query, 20, 100);
      const auto after = search(*laid_out, query, 20, 100);
      ASSERT_EQ(before.size(), after.size());
      for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].distance, after[i].distance);
    }
    // It goes on as the other would.
    const Slot slot = laid_out->insert(base[0].data(), 5000);
    EXPECT_EQ(search(*laid_out, base[0], 1, 100)[0].distance, search(graph, base[0], 1, 100)[0].distance);
    laid_out->retire(slot);
    EXPECT_EQ(laid_out->unreachable(), 0U);
  }
}

TEST(Turnover, AnEmptyGraphHasAnOrderToo) {
  Graph graph(Options{.dim = 4});
  EXPECT_EQ(graph.in_walk_order()->size(), 0U);
  const Vectors base = random_vectors(100, 4, 6000);
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < base.size(); ++i) slots.push_back(graph.insert(base[i].data(), i));
  for (const Slot slot : slots) graph.retire(slot);
  const auto laid_out = graph.in_walk_order();
  EXPECT_EQ(laid_out->slots(), 0U);
  laid_out->insert(base[3].data(), 3);
  EXPECT_EQ(search(*laid_out, base[3], 1, 10).size(), 1U);
}

// Run under ThreadSanitizer: copies come and go, and with them those they hang from.
TEST(Turnover, CopiesComeAndGoFromManyThreads) {
  const Vectors base = repeated_vectors(3000, 60, 8, 4000);
  Graph graph(Options{.dim = 8, .ef_construction = 40});
  std::vector<std::atomic<Slot>> slots(base.size());
  for (auto& slot : slots) slot = kNoSlot;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> done{false};
  const auto turn = [&] {
    for (std::size_t i = next++; i < base.size(); i = next++) {
      slots[i] = graph.insert(base[i].data(), i);
      if (i < 300) continue;
      if (const Slot old = slots[i - 300].exchange(kNoSlot); old != kNoSlot) graph.retire(old);
    }
  };
  const auto look = [&] {
    while (!done) search(graph, base[0], 10, 30);
  };
  std::vector<std::thread> writers;
  std::thread reader(look);
  for (int i = 0; i < 4; ++i) writers.emplace_back(turn);
  for (auto& writer : writers) writer.join();
  done = true;
  reader.join();
  EXPECT_EQ(graph.unreachable(), 0U);
}

}  // namespace
}  // namespace engram::hnsw
