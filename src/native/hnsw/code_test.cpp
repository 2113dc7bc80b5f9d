#include "hnsw/code.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace engram::hnsw {
namespace {

// The distance the walk would see between two vectors.
float scored(const std::vector<float>& a, const std::vector<float>& query, Metric metric,
             Coding coding = {}) {
  std::vector<std::byte> code(simd::kCodeHeaderBytes + a.size());
  std::vector<std::int8_t> values(a.size());
  encode(a.data(), a.size(), coding, code.data());
  const simd::CodeQuery prepared = encode_query(query.data(), a.size(), coding, metric, values.data());
  const std::byte* const at = code.data();
  float distance;
  simd::active().score_codes(prepared, &at, 1, a.size(), &distance);
  return distance;
}

TEST(Code, ScoresComeNearTheTrueDistances) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const std::size_t dim : {1, 2, 7, 64, 129, 1000, 5000}) {
    std::vector<float> a(dim), b(dim);
    double l2 = 0, dot = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      a[i] = normal(random);
      b[i] = normal(random);
      l2 += std::pow(a[i] - b[i], 2);
      dot += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    const double scale = std::sqrt(aa * bb);
    EXPECT_NEAR(scored(a, b, Metric::kL2), l2, 0.03 * scale) << dim;
    EXPECT_NEAR(scored(a, b, Metric::kIp), 1 - dot, 0.02 * scale) << dim;
  }
}

TEST(Code, ACodeIsAQueryWithoutLoss) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(3.0F, 2.0F);
  const std::size_t dim = 300;
  std::vector<float> a(dim);
  for (float& x : a) x = normal(random);
  std::vector<std::byte> code(simd::kCodeHeaderBytes + dim);
  std::vector<std::int8_t> values(dim);
  encode(a.data(), dim, {}, code.data());
  const simd::CodeQuery query = query_of_code(code.data(), dim, Metric::kL2, values.data());
  const std::byte* const at = code.data();
  float distance;
  simd::active().score_codes(query, &at, 1, dim, &distance);
  EXPECT_NEAR(distance, 0.0F, 0.02F);  // rounding of terms of some thousands
}

TEST(Code, EqualElementsHaveNoScaleAndAreExact) {
  for (const float value : {0.0F, -3.5F, 1e-40F, 1e15F, -1e15F}) {
    const std::vector<float> a(33, value);
    EXPECT_EQ(scored(a, std::vector<float>(33, value), Metric::kL2), 0.0F) << value;
  }
  EXPECT_NEAR(scored(std::vector<float>(10, 2.0F), std::vector<float>(10, 5.0F), Metric::kL2), 90.0F, 1e-3F);
}

TEST(Code, AShiftKeepsTheDigitsOfSmallDifferences) {
  std::vector<float> a(64, 10000.0F);
  std::vector<float> b(64, 10000.0F);
  a[0] = 10001.0F;
  b[5] = 9998.0F;
  EXPECT_NEAR(scored(a, b, Metric::kL2, {.factor = 1.0F, .shift = 10000.0F}), 5.0F, 0.1F);
}

}  // namespace
}  // namespace engram::hnsw
