#include "hnsw/index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"

namespace engram::hnsw {
namespace {

std::vector<float> random_rows(std::size_t rows, std::size_t dim, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * dim);
  for (float& x : values) x = normal(random);
  return values;
}

Matrix matrix(const std::vector<float>& values, std::size_t dim) {
  return {.values = values.data(), .rows = values.size() / dim, .dim = dim};
}

std::vector<Label> nearest(const Index& index, const float* query, std::size_t k, std::size_t ef) {
  std::vector<Label> labels(k);
  std::vector<float> distances(k);
  index.search({.values = query, .rows = 1, .dim = index.options().dim}, k, ef, nullptr, 1, labels.data(),
               distances.data());
  return labels;
}

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("engram_index_" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directory(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Path operator/(const char* name) const { return path_ / name; }

 private:
  Path path_;
};

TEST(LabelMap, IsAMap) {
  Graph graph(Options{.dim = 1});
  LabelMap labels(graph);
  std::map<std::int64_t, Slot> model;
  std::mt19937_64 random(1);
  for (int step = 0; step < 20'000; ++step) {
    // Labels that differ in their high bits alone, and in their low bits alone.
    const auto label = static_cast<std::int64_t>(random() % 500) << (step % 2 == 0 ? 0 : 50);
    if (step % 3 == 0 || graph.slots() > 3000) {
      const Slot erased = labels.erase(label);
      ASSERT_EQ(erased, model.contains(label) ? model[label] : kNoSlot) << "step " << step;
      model.erase(label);
    } else {
      const float x = static_cast<float>(step);
      const Slot slot = graph.insert(&x, static_cast<std::uint64_t>(label));
      ASSERT_EQ(labels.exchange(slot), model.contains(label) ? model[label] : kNoSlot) << "step " << step;
      model[label] = slot;
    }
    ASSERT_EQ(labels.size(), model.size());
  }
  for (const auto& [label, slot] : model) EXPECT_EQ(labels.find(label), slot);
}

TEST(Index, ABreathThatThrowsKeepsTheRowsBefore) {
  const std::size_t dim = 4;
  const auto rows = random_rows(10'000, dim, 2);
  std::vector<Label> labels(10'000);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<Label>(i);
  Index index(Options{.dim = dim, .m = 4, .ef_construction = 10});
  EXPECT_THROW(index.add(labels, matrix(rows, dim), 1, [] { throw std::runtime_error("interrupted"); }),
               std::runtime_error);
  EXPECT_GT(index.size(), 0U);
  EXPECT_LT(index.size(), 10'000U);
  EXPECT_EQ(nearest(index, rows.data(), 1, 50)[0], 0);
}

TEST(Index, AFileThatHoldsALabelTwiceIsDamaged) {
  const Folder folder;
  Graph graph(Options{.dim = 2});
  const std::vector<float> row{1, 2};
  graph.insert(row.data(), 5);
  graph.insert(row.data(), 5);
  write_atomically(FileSystem::system(), folder / "twice", [&](File& file) { graph.save(file); });
  EXPECT_THROW(Index::load(folder / "twice"), CorruptionError);
}

// Run under ThreadSanitizer: every verb at once, with slots used again and again.
TEST(Index, AddsReplacesRemovesSearchesSavesAndOptimizesFromManyThreads) {
  const std::size_t dim = 8;
  const std::size_t count = 1500;
  const Folder folder;
  const auto rows = random_rows(count, dim, 3);
  Index index(Options{.dim = dim, .m = 8, .ef_construction = 30});
  std::atomic<bool> done{false};
  // Each writer has labels of its own, so that what is left at the end is known.
  const auto write = [&](std::size_t part) {
    for (int round = 0; round < 4; ++round) {
      for (std::size_t i = part; i < count; i += 2) {
        const auto label = static_cast<Label>(i);
        index.add({&label, 1}, {.values = &rows[i * dim], .rows = 1, .dim = dim}, 1);
        if (i % 4 == part && round < 3) index.remove({&label, 1});
      }
    }
  };
  const auto look = [&](std::uint32_t seed) {
    std::mt19937 random(seed);
    const LabelFilter odd = [] {
      std::vector<Label> labels;
      for (Label label = 1; label < 400; label += 2) labels.push_back(label);
      return LabelFilter::of_labels(labels);
    }();
    std::vector<Label> labels(10);
    std::vector<float> distances(10);
    while (!done) {
      const Matrix query{.values = &rows[random() % count * dim], .rows = 1, .dim = dim};
      index.search(query, 10, 20, seed % 2 == 0 ? nullptr : &odd, 1, labels.data(), distances.data());
      std::set<Label> seen;
      for (const Label label : labels) {
        if (label == kNoLabel) continue;
        EXPECT_TRUE(seen.insert(label).second) << "label " << label << " twice";
        EXPECT_TRUE(seed % 2 == 0 || label % 2 == 1) << label;
      }
    }
  };
  std::vector<std::thread> writers;
  std::vector<std::thread> readers;
  for (std::size_t part = 0; part < 2; ++part) writers.emplace_back(write, part);
  for (std::uint32_t seed = 0; seed < 2; ++seed) readers.emplace_back(look, seed);
  for (int i = 0; i < 3; ++i) {
    index.save(folder / "index");
    index.optimize();
  }
  for (auto& writer : writers) writer.join();
  done = true;
  for (auto& reader : readers) reader.join();

  EXPECT_EQ(index.size(), count);
  index.save(folder / "index");
  const auto loaded = Index::load(folder / "index");
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(nearest(index, &rows[i * dim], 1, 300)[0], static_cast<Label>(i));
    ASSERT_EQ(nearest(*loaded, &rows[i * dim], 1, 300)[0], static_cast<Label>(i));
  }
}

}  // namespace
}  // namespace engram::hnsw
