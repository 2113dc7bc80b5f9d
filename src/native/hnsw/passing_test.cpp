#include "hnsw/passing.h"

#include <gtest/gtest.h>

#include "hnsw/test_support.h"

namespace engram::hnsw {
namespace {

TEST(Passing, KnowsTheSlotsThatWereThereAndWhichOfThemPass) {
  Graph graph(Options{.dim = 2});
  const Vectors base = random_vectors(200, 2, 1);
  for (std::size_t i = 0; i < 150; ++i) graph.insert(base[i].data(), 1000 + i);
  graph.retire(7);
  std::size_t asked = 0;

  const Passing passing(graph, [&](std::uint64_t born) {
    ++asked;
    return born % 3 == 0;
  });
  for (std::size_t i = 150; i < 200; ++i) graph.insert(base[i].data(), 1000 + i);

  EXPECT_EQ(asked, 149u);
  for (Slot slot = 0; slot < 150; ++slot) {
    EXPECT_EQ(passing.knows(slot), slot != 7) << slot;
    if (slot != 7) {
      EXPECT_EQ(passing(slot), (1000 + slot) % 3 == 0) << slot;
    }
  }
  for (Slot slot = 150; slot < 400; ++slot) EXPECT_FALSE(passing.knows(slot)) << slot;
}

}  // namespace
}  // namespace engram::hnsw
