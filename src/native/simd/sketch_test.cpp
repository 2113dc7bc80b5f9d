// score_sketches: equal to the scalar table's results, bit for bit; and the scalar table's to their
// definition.
#include "simd/test_support.h"

namespace engram::simd::test {
namespace {

class SketchKernels : public EachTable {};
ENGRAM_FOR_EACH_TABLE(SketchKernels);

std::vector<std::byte> random_sketch(Random& random, std::size_t dim) {
  std::uniform_real_distribution<float> any(-3.0f, 3.0f);
  const CodeHeader header{
      .norm2 = any(random), .scale = any(random), .offset = any(random), .sum = any(random)};
  auto sketch = random_bytes<std::byte>(random, sketch_bytes(dim));
  std::memcpy(sketch.data(), &header, sizeof header);
  return sketch;
}

// `dim` values, and zeros to a whole number of blocks.
std::vector<std::int8_t> random_values(Random& random, std::size_t dim) {
  auto values = random_bytes<std::int8_t>(random, dim);
  values.resize(sketch_blocks(dim) * kSketchBlock);
  return values;
}

std::uint32_t level(const std::vector<std::byte>& sketch, std::size_t i) {
  const std::size_t place = i % kSketchBlock;
  const std::size_t byte =
      kCodeHeaderBytes + i / kSketchBlock * (kSketchBlock / 2) + place % (kSketchBlock / 2);
  const auto both = std::to_integer<std::uint32_t>(sketch[byte]);
  return place < kSketchBlock / 2 ? both & 0xF : both >> 4;
}

TEST_P(SketchKernels, ScoreByTheDefinition) {
  Random random(11);
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("seed 11, dimension " + std::to_string(dim));
    const auto sketch = random_sketch(random, dim);
    const auto values = random_values(random, dim);
    std::int64_t product = 0;
    for (std::size_t i = 0; i < dim; ++i) product += std::int64_t{level(sketch, i)} * values[i];
    CodeHeader header;
    std::memcpy(&header, sketch.data(), sizeof header);
    const CodeQuery query{values.data(), 0, 0, 1, 0, 0};
    const std::byte* const at = sketch.data();
    float got = 0;
    kernels().score_sketches(query, &at, 1, dim, &got);
    EXPECT_EQ(got, header.scale * static_cast<float>(product));
  }
}

TEST_P(SketchKernels, ScoreEveryCountToTheScalarBits) {
  Random random(12);
  for (const std::size_t dim : {1, 63, 64, 65, 127, 128, 129, 384, 768, 1000, 1536, 4099}) {
    const auto values = random_values(random, dim);
    const CodeQuery query{values.data(), 0.5f, 1.0f, -2.0f, 3.0f, -0.25f};
    for (std::size_t count = 0; count <= 40; ++count) {
      SCOPED_TRACE("seed 12, dimension " + std::to_string(dim) + ", count " + std::to_string(count));
      std::vector<std::vector<std::byte>> sketches;
      std::vector<const std::byte*> at;
      for (std::size_t i = 0; i < count; ++i) sketches.push_back(random_sketch(random, dim));
      for (const auto& sketch : sketches) at.push_back(sketch.data());
      std::vector<float> got(count + 1, -7.0f), expected(count + 1, -7.0f);
      kernels().score_sketches(query, at.data(), count, dim, got.data());
      scalar().score_sketches(query, at.data(), count, dim, expected.data());
      EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0);
    }
  }
}

TEST_P(SketchKernels, ScoreUnalignedAtTheEdgesOfMemory) {
  Random random(13);
  for (const std::size_t dim : {1, 100, 128, 300, 768, 65536}) {
    SCOPED_TRACE("seed 13, dimension " + std::to_string(dim));
    const Guarded<std::int8_t> values(random_values(random, dim));
    const CodeQuery query{values.data(), 0.5f, 1.0f, -2.0f, 3.0f, -0.25f};
    const auto sketch = random_sketch(random, dim);
    const Guarded<std::byte> behind(sketch), before(sketch, Guarded<std::byte>::Against::kBefore);
    const std::byte* at[] = {behind.data(), before.data(), sketch.data(), behind.data(), before.data()};
    float got[5] = {}, expected[5] = {};
    kernels().score_sketches(query, at, 5, dim, got);
    scalar().score_sketches(query, at, 5, dim, expected);
    EXPECT_EQ(std::memcmp(got, expected, sizeof got), 0);
  }
}

}  // namespace
}  // namespace engram::simd::test
