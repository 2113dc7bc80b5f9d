// The float kernels against sums in double precision, over dimensions, magnitudes and special values.
#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/test_support.h"

namespace engram::simd::test {
namespace {

class FloatKernels : public EachTable {};
ENGRAM_FOR_EACH_TABLE(FloatKernels);

struct Exact {
  double l2 = 0, dot = 0, dot_terms = 0, a_norm2 = 0, b_norm2 = 0;
  Exact(const float* a, const float* b, std::size_t dim) {
    for (std::size_t i = 0; i < dim; ++i) {
      const double x = a[i], y = b[i];
      l2 += (x - y) * (x - y);
      dot += x * y;
      dot_terms += std::abs(x * y);
      a_norm2 += x * x;
      b_norm2 += y * y;
    }
  }
  double cosine() const { return std::clamp(1.0 - dot / std::sqrt(a_norm2 * b_norm2), 0.0, 2.0); }
};

// A sum of dim terms in at least eight lanes: each term passes through at most this many roundings of 2^-24.
double rounding(std::size_t dim) {
  return (static_cast<double>(dim) / 8 + 12) * 0x1p-24;
}

void expect_close(const Kernels& kernels, const float* a, const float* b, std::size_t dim) {
  const Exact exact(a, b, dim);
  const double tiny = static_cast<double>(dim) * 0x1p-149;  // what subnormal products lose
  EXPECT_NEAR(kernels.l2(a, b, dim), exact.l2, exact.l2 * rounding(dim) + tiny);
  EXPECT_NEAR(kernels.dot(a, b, dim), exact.dot, exact.dot_terms * rounding(dim) + tiny);
  EXPECT_NEAR(kernels.cosine(a, b, dim), exact.cosine(), 3 * rounding(dim));
}

TEST_P(FloatKernels, AreWithinRoundingOfTheExactSumInEveryDimension) {
  Random random(1);
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("seed 1, dimension " + std::to_string(dim));
    const auto a = random_floats(random, dim), b = random_floats(random, dim);
    expect_close(kernels(), a.data(), b.data(), dim);
  }
}

TEST_P(FloatKernels, AreWithinRoundingAtEveryMagnitude) {
  Random random(2);
  for (const float magnitude : {1e-18f, 1e-10f, 1e-3f, 1e3f, 1e10f, 1e17f}) {
    for (const std::size_t dim : {1, 3, 16, 31, 64, 100, 127, 384, 769}) {
      SCOPED_TRACE("seed 2, magnitude " + std::to_string(magnitude) + ", dimension " + std::to_string(dim));
      const auto a = random_floats(random, dim, magnitude), b = random_floats(random, dim, magnitude);
      expect_close(kernels(), a.data(), b.data(), dim);
    }
  }
}

TEST_P(FloatKernels, ReadNothingBehindOrBeforeTheVectors) {
  using Guard = Guarded<float>;
  Random random(3);
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("seed 3, dimension " + std::to_string(dim));
    const auto a = random_floats(random, dim), b = random_floats(random, dim);
    const float l2 = kernels().l2(a.data(), b.data(), dim);
    for (const auto against : {Guard::Against::kBehind, Guard::Against::kBefore}) {
      const Guard x(a, against), y(b, against);
      EXPECT_EQ(kernels().l2(x.data(), y.data(), dim), l2);
      kernels().dot(x.data(), y.data(), dim);
      kernels().cosine(x.data(), y.data(), dim);
    }
  }
}

TEST_P(FloatKernels, TakeAnyAlignment) {
  Random random(4);
  const auto a = random_floats(random, 200), b = random_floats(random, 200);
  std::vector<std::byte> buffer(201 * sizeof(float));
  for (std::size_t shift = 0; shift < 4; ++shift) {  // by bytes: not even aligned for a float
    std::memcpy(buffer.data() + shift, a.data(), 200 * sizeof(float));
    const auto* shifted = reinterpret_cast<const float*>(buffer.data() + shift);
    if (shift != 0 && kernels().name == "scalar")
      continue;  // its loads are C++'s own, which want floats aligned
    EXPECT_EQ(kernels().l2(shifted, b.data(), 199), kernels().l2(a.data(), b.data(), 199));
    EXPECT_EQ(kernels().dot(shifted, b.data(), 199), kernels().dot(a.data(), b.data(), 199));
    EXPECT_EQ(kernels().cosine(shifted, b.data(), 199), kernels().cosine(a.data(), b.data(), 199));
  }
}

TEST_P(FloatKernels, GiveEqualVectorsNoDistanceAtAll) {
  Random random(5);
  for (const std::size_t dim : dimensions()) {
    for (const float magnitude : {1e-15f, 1.0f, 1e16f}) {
      SCOPED_TRACE("seed 5, dimension " + std::to_string(dim) + ", magnitude " + std::to_string(magnitude));
      const auto a = random_floats(random, dim, magnitude);
      const auto copy = a;
      EXPECT_EQ(kernels().l2(a.data(), copy.data(), dim), 0.0f);
      EXPECT_EQ(kernels().cosine(a.data(), copy.data(), dim), 0.0f);
    }
  }
}

TEST_P(FloatKernels, CosineKeepsItsBoundsWhereSquaredLengthsHardlyFitAFloat) {
  const std::vector<float> huge(64, 2.2e18f), tiny(64, 2e-20f), zero(64, 0.0f);
  std::vector<float> opposite(64, -2.2e18f), mixed(64, 2.2e18f);
  for (std::size_t i = 0; i < 32; ++i) mixed[i] = -2.2e18f;
  EXPECT_EQ(kernels().cosine(huge.data(), huge.data(), 64), 0.0f);
  EXPECT_EQ(kernels().cosine(huge.data(), opposite.data(), 64), 2.0f);
  EXPECT_EQ(kernels().cosine(huge.data(), mixed.data(), 64), 1.0f);
  EXPECT_NEAR(kernels().cosine(huge.data(), tiny.data(), 64), 0.0f, 1e-6f);
  EXPECT_NEAR(kernels().cosine(tiny.data(), tiny.data(), 64), 0.0f, 1e-6f);
  EXPECT_EQ(kernels().cosine(huge.data(), zero.data(), 64), 1.0f);
  EXPECT_EQ(kernels().cosine(zero.data(), zero.data(), 64), 1.0f);
}

// One special element among ordinary ones, at every position: NaN, or the same infinity, as the scalar table.
TEST_P(FloatKernels, TreatSpecialValuesAsTheScalarTableDoes) {
  Random random(6);
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto expect_same_kind = [](float got, float expected) {
    EXPECT_EQ(std::isnan(got), std::isnan(expected)) << got << " and " << expected;
    EXPECT_EQ(std::isinf(got), std::isinf(expected)) << got << " and " << expected;
    if (std::isinf(expected)) {
      EXPECT_EQ(got, expected);
    }
  };
  for (const std::size_t dim : {1, 7, 8, 9, 15, 17, 33, 64, 65, 100, 131}) {
    const auto b = random_floats(random, dim);
    for (std::size_t i = 0; i < dim; ++i) {
      for (const float special : {infinity, -infinity, nan, 3e38f}) {
        SCOPED_TRACE("seed 6, dimension " + std::to_string(dim) + ", element " + std::to_string(i));
        auto a = random_floats(random, dim);
        a[i] = special;
        expect_same_kind(kernels().l2(a.data(), b.data(), dim), scalar().l2(a.data(), b.data(), dim));
        expect_same_kind(kernels().dot(a.data(), b.data(), dim), scalar().dot(a.data(), b.data(), dim));
        expect_same_kind(kernels().dot(a.data(), a.data(), dim), scalar().dot(a.data(), a.data(), dim));
      }
    }
  }
}

TEST_P(FloatKernels, KeepSubnormalNumbers) {
  const std::vector<float> small(100, 0x1p-130f), one(100, 1.0f), zero(100, 0.0f);
  EXPECT_EQ(kernels().dot(small.data(), one.data(), 100), 100 * 0x1p-130f);
  const std::vector<float> root(100, 0x1p-70f);
  EXPECT_EQ(kernels().l2(root.data(), zero.data(), 100), 100 * 0x1p-140f);
}

TEST_P(FloatKernels, GiveTheSameBitsForRowsAsOneByOne) {
  Random random(7);
  for (const std::size_t dim : {1, 5, 16, 63, 128, 300, 385, 1025}) {
    SCOPED_TRACE("seed 7, dimension " + std::to_string(dim));
    const auto query = random_floats(random, dim);
    for (const std::size_t count : {0, 1, 2, 3, 7, 33}) {
      std::vector<std::vector<float>> vectors;
      std::vector<const float*> rows;
      for (std::size_t i = 0; i < count; ++i) vectors.push_back(random_floats(random, dim));
      for (const auto& vector : vectors) rows.push_back(vector.data());
      std::vector<float> l2(count + 1, -7.0f), dot = l2, cosine = l2;
      kernels().l2_rows(query.data(), rows.data(), count, dim, l2.data());
      kernels().dot_rows(query.data(), rows.data(), count, dim, dot.data());
      kernels().cosine_rows(query.data(), rows.data(), count, dim, cosine.data());
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(l2[i], kernels().l2(query.data(), rows[i], dim));
        EXPECT_EQ(dot[i], kernels().dot(query.data(), rows[i], dim));
        EXPECT_EQ(cosine[i], kernels().cosine(query.data(), rows[i], dim));
      }
      EXPECT_EQ(l2[count], -7.0f);
      EXPECT_EQ(dot[count], -7.0f);
      EXPECT_EQ(cosine[count], -7.0f);
    }
  }
}

}  // namespace
}  // namespace engram::simd::test
