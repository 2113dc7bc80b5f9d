// Sketches: what they are off by, and that a graph goes by them only where that is little.
#include "hnsw/sketch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "hnsw/code.h"
#include "hnsw/resolve.h"
#include "hnsw/test_support.h"

namespace engram::hnsw {
namespace {

constexpr std::size_t kDim = kSketchedFrom + 5;  // not a whole number of blocks

std::vector<std::byte> sketch_of(const std::vector<float>& vector, Coding coding = {}) {
  std::vector<std::byte> code(simd::kCodeHeaderBytes + vector.size());
  encode(vector.data(), vector.size(), coding, code.data());
  std::vector<std::byte> out(simd::sketch_bytes(vector.size()), std::byte{0xAA});
  sketch(code.data(), vector.size(), out.data());
  return out;
}

float scored(const std::vector<std::byte>& sketch, const std::vector<float>& query, Metric metric) {
  std::vector<std::int8_t> values(simd::sketch_blocks(query.size()) * simd::kSketchBlock);
  const simd::CodeQuery prepared = encode_query(query.data(), query.size(), {}, metric, values.data());
  const std::byte* const at = sketch.data();
  float distance;
  simd::active().score_sketches(prepared, &at, 1, query.size(), &distance);
  return distance;
}

// Vectors near a plane of few dimensions, as embeddings are.
Vectors flat_vectors(std::size_t count, std::uint32_t seed) {
  const Vectors axes = random_vectors(12, kDim, 1);
  const Vectors places = random_vectors(count, axes.size(), seed);
  Vectors vectors = random_vectors(count, kDim, seed + 1, 0.3F);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t a = 0; a < axes.size(); ++a) {
      for (std::size_t d = 0; d < kDim; ++d) vectors[i][d] += places[i][a] * axes[a][d];
    }
  }
  return vectors;
}

TEST(Sketch, ScoresComeNearTheTrueDistances) {
  const Vectors vectors = random_vectors(20, kDim, 2);
  for (std::size_t i = 1; i < vectors.size(); ++i) {
    const auto sketch = sketch_of(vectors[i]);
    // Sixteen levels over five deviations: a tenth of a deviation off, as likely this way as that.
    EXPECT_NEAR(scored(sketch, vectors[0], Metric::kL2), distance(vectors[0], vectors[i], Metric::kL2), 60);
    EXPECT_NEAR(scored(sketch, vectors[0], Metric::kIp), distance(vectors[0], vectors[i], Metric::kIp), 30);
  }
  EXPECT_NEAR(scored(sketch_of(vectors[0]), vectors[0], Metric::kL2), 0, 12);
}

TEST(Sketch, AFewLargeElementsDoNotTakeTheLevelsFromTheOthers) {
  const Vectors vectors = random_vectors(2, kDim, 3);
  std::vector<float> first = vectors[0];
  std::vector<float> second = vectors[1];
  const double apart = distance(first, second, Metric::kL2);
  for (const std::size_t d : {std::size_t{7}, kDim - 1}) first[d] = second[d] = 9.0F;
  EXPECT_NEAR(scored(sketch_of(first), second, Metric::kL2), distance(first, second, Metric::kL2),
              0.05 * apart);
}

TEST(Sketch, EqualElementsHaveOneLevel) {
  for (const float value : {0.0F, -3.5F, 1e15F}) {
    const std::vector<float> a(kDim, value);
    EXPECT_NEAR(scored(sketch_of(a), a, Metric::kL2), 0.0, 1e-6 * kDim * value * value) << value;
  }
}

TEST(Sketch, DependsOnTheCodeAlone) {
  const Vectors vectors = random_vectors(2, kDim, 4);
  EXPECT_EQ(sketch_of(vectors[0]), sketch_of(vectors[0]));
  EXPECT_NE(sketch_of(vectors[0]), sketch_of(vectors[1]));
}

TEST(SketchError, IsTheSpreadOfWhatIsOffAsAShareOfTheRange) {
  SketchError none;
  for (const float x : {1.0F, 2.0F, 5.0F}) none.see(x + 7, x);  // off by the same everywhere: orders well
  EXPECT_NEAR(none.share(), 0, 1e-6);
  SketchError some;
  some.see(1.5F, 1.0F);
  some.see(4.5F, 5.0F);
  EXPECT_NEAR(some.share(), 0.5 / 4, 1e-6);
  SketchError blind;  // equal distances, unequal sketches
  blind.see(1.0F, 3.0F);
  blind.see(2.0F, 3.0F);
  EXPECT_EQ(blind.share(), 1);
}

TEST(SketchedGraph, GoesBySketchesAndLosesNoRecall) {
  const Vectors all = flat_vectors(4040, 10);
  const Vectors base(all.begin(), all.begin() + 4000);
  const auto graph = build(base, Metric::kL2);
  EXPECT_LT(graph->sketches_off(), kSketchesOff);
  EXPECT_GT(recall(*graph, base, Vectors(all.begin() + 4000, all.end()), 10, 64), 0.99);
}

// Vectors that differ in a hundredth of their length: sixteen levels do not tell them apart.
TEST(SketchedGraph, GoesByCodesWhereSketchesAreBlind) {
  const Vectors centre = random_vectors(1, kDim, 20, 5.0F);
  Vectors all = random_vectors(3050, kDim, 21, 0.05F);
  const Vectors places = random_vectors(all.size(), 4, 22);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t d = 0; d < kDim; ++d) all[i][d] += centre[0][d] + (d < 4 ? places[i][d] : 0);
  }
  const Vectors base(all.begin(), all.begin() + 3000);
  const auto graph = build(base, Metric::kL2);
  EXPECT_GT(graph->sketches_off(), kSketchesOff);
  EXPECT_GT(recall(*graph, base, Vectors(all.begin() + 3000, all.end()), 10, 100), 0.95);
}

// Two elements hundreds of times the others take the levels from all of them; but such vectors are few, and
// none of those that are asked.
TEST(SketchedGraph, FindsByCodesTheFewThatSketchesDoNotOrder) {
  Vectors all = flat_vectors(2040, 40);
  for (std::size_t i = 1; i < 2000; i += 4) all[i][0] = all[i][1] = 500.0F;
  for (std::size_t i = 2000; i < 2040; ++i) all[i][0] = all[i][1] = 500.0F;
  const Vectors base(all.begin(), all.begin() + 2000);
  const Vectors queries(all.begin() + 2000, all.end());
  const auto graph = build(base, Metric::kL2);
  EXPECT_LT(graph->sketches_off(), kSketchesOff);
  EXPECT_GT(recall(*graph, base, queries, 10, 30), 0.95);
}

TEST(SketchedGraph, IsLoadedWithItsSketches) {
  const Vectors all = flat_vectors(1340, 30);
  const Vectors base(all.begin(), all.begin() + 1300);
  FileSystem& files = FileSystem::system();
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    const auto graph = build(base, metric);
    const Path path = std::filesystem::temp_directory_path() / ("engram_sketch_" + std::to_string(getpid()));
    write_atomically(files, path, [&](File& file) { graph->save(file); });
    const auto file = files.open(path, OpenMode::kRead);
    const auto loaded = Graph::load(*file, path);
    files.remove(path);
    EXPECT_LT(loaded->sketches_off(), kSketchesOff);
    EXPECT_GT(recall(*loaded, base, Vectors(all.begin() + 1300, all.end()), 10, 30), 0.97);
  }
}

}  // namespace
}  // namespace engram::hnsw
