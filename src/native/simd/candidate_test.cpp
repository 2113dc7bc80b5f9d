// select_below and rank against their definitions; the half formats against tables of all their values.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "simd/test_support.h"

namespace engram::simd::test {
namespace {

class CandidateKernels : public EachTable {};
ENGRAM_FOR_EACH_TABLE(CandidateKernels);

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Few different values, so that many are equal, and some that are special.
std::vector<float> values_with_ties(Random& random, std::size_t count) {
  const float choices[] = {-kInfinity, -1.5f, -0.0f, 0.0f, 1e-40f, 1.0f, 2.0f, 2.5f, 3.0f, 1e30f, kInfinity};
  std::vector<float> values(count);
  for (float& value : values) value = choices[random() % std::size(choices)];
  return values;
}

TEST_P(CandidateKernels, SelectBelowGivesTheIndicesInOrder) {
  Random random(1);
  for (std::size_t count = 0; count <= 200; ++count) {
    for (const float bound : {-kInfinity, 0.0f, 1.0f, 2.25f, 1e35f, kInfinity, kNan}) {
      SCOPED_TRACE("seed 1, count " + std::to_string(count) + ", bound " + std::to_string(bound));
      auto values = values_with_ties(random, count);
      if (count > 0 && random() % 2 == 0) values[random() % count] = kNan;
      std::vector<std::uint32_t> expected;
      for (std::uint32_t i = 0; i < count; ++i) {
        if (values[i] < bound) expected.push_back(i);
      }
      const Guarded<float> input(values);
      const Guarded<std::uint32_t> out(
          std::vector<std::uint32_t>(count + 16, 0xABABABABu));  // faults if more is written
      const std::size_t found = kernels().select_below(input.data(), count, bound, out.data());
      ASSERT_EQ(found, expected.size());
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.data()));
    }
  }
}

TEST_P(CandidateKernels, RankCountsTheValuesNotAbove) {
  Random random(2);
  std::vector<std::size_t> counts = {255, 256, 257, 511, 999, 1000, 4096};
  for (std::size_t count = 0; count <= 150; ++count) counts.push_back(count);
  for (const std::size_t count : counts) {
    for (const bool ties : {true, false}) {
      auto values = ties ? values_with_ties(random, count) : random_floats(random, count);
      std::ranges::sort(values);
      const Guarded<float> ascending(values);
      auto tried = random_floats(random, 10);
      tried.insert(tried.end(), {-kInfinity, -0.0f, 0.0f, 1.0f, 2.25f, 1e30f, kInfinity, kNan});
      if (count > 0) tried.insert(tried.end(), {values.front(), values.back(), values[count / 2]});
      for (const float x : tried) {
        const auto expected = std::ranges::count_if(values, [x](float value) { return value <= x; });
        EXPECT_EQ(kernels().rank(ascending.data(), count, x), static_cast<std::size_t>(expected))
            << "seed 2, count " << count << ", x " << x;
      }
    }
  }
}

// --- half and bfloat16 ---

double value_of_half(std::uint32_t half, int mantissa_bits, int bias) {  // finite ones
  const std::uint32_t mantissa = half & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>((half & 0x7FFF) >> mantissa_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                    : std::ldexp(mantissa + (1u << mantissa_bits), exponent - bias - mantissa_bits);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// The nearest of all positive values by search, ties to the even one; `infinity` is what lies half a step
// beyond the largest and farther.
std::uint16_t nearest_half(float value, int mantissa_bits, int bias, std::uint16_t infinity) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double wanted = std::abs(static_cast<double>(value));
  std::uint16_t below = 0, above = infinity;  // value_of(infinity) is the step after the largest
  while (above - below > 1) {
    const auto middle = static_cast<std::uint16_t>((above + below) / 2);
    (value_of_half(middle, mantissa_bits, bias) <= wanted ? below : above) = middle;
  }
  const double down = wanted - value_of_half(below, mantissa_bits, bias);
  const double up = value_of_half(above, mantissa_bits, bias) - wanted;
  const std::uint16_t nearest = down < up ? below : up < down ? above : (below % 2 == 0 ? below : above);
  return sign | nearest;
}

std::vector<float> floats_to_convert(int mantissa_bits, int bias, std::uint16_t infinity) {
  std::vector<float> values = {0.0f,     -0.0f,    kInfinity, -kInfinity, 3.4e38f,
                               -3.4e38f, 65504.0f, 65519.9f,  65520.0f,   1e-45f};
  for (std::uint32_t half = 0; half < infinity;
       half += 3) {  // each value, and what is around the next midpoint
    const double here = value_of_half(half, mantissa_bits, bias),
                 next = value_of_half(half + 1, mantissa_bits, bias);
    const auto middle = static_cast<float>((here + next) / 2);
    for (const float value : {static_cast<float>(here), middle, std::nextafter(middle, 0.0f),
                              std::nextafter(middle, kInfinity)}) {
      values.push_back(half % 2 == 0 ? value : -value);
    }
  }
  Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(value)) values.push_back(value);
  }
  return values;
}

TEST_P(CandidateKernels, HalvesAreConvertedToTheNearestEven) {
  const auto values = floats_to_convert(10, 15, 0x7C00);
  std::vector<std::uint16_t> got(values.size());
  kernels().f32_to_f16(values.data(), got.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(got[i], nearest_half(values[i], 10, 15, 0x7C00)) << values[i] << " at " << i;
  }
}

TEST_P(CandidateKernels, Bfloat16sAreConvertedToTheNearestEven) {
  const auto values = floats_to_convert(7, 127, 0x7F80);
  std::vector<std::uint16_t> got(values.size());
  kernels().f32_to_bf16(values.data(), got.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(got[i], nearest_half(values[i], 7, 127, 0x7F80)) << values[i] << " at " << i;
  }
}

TEST_P(CandidateKernels, EveryHalfAndBfloat16ComesBackAsItWas) {
  std::vector<std::uint16_t> all(65'536), back(65'536);
  std::vector<float> wide(65'536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);

  kernels().f16_to_f32(all.data(), wide.data(), all.size());
  kernels().f32_to_f16(wide.data(), back.data(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool nan = (i & 0x7FFF) > 0x7C00;
    if (!nan && (i & 0x7FFF) != 0x7C00) {
      ASSERT_EQ(wide[i], value_of_half(static_cast<std::uint32_t>(i), 10, 15));
    }
    ASSERT_EQ(back[i], nan ? all[i] | 0x0200 : all[i]);  // a NaN stays one, made quiet
  }

  kernels().bf16_to_f32(all.data(), wide.data(), all.size());
  kernels().f32_to_bf16(wide.data(), back.data(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool nan = (i & 0x7FFF) > 0x7F80;
    if (!nan && (i & 0x7FFF) != 0x7F80) {
      ASSERT_EQ(wide[i], value_of_half(static_cast<std::uint32_t>(i), 7, 127));
    }
    ASSERT_EQ(back[i], nan ? all[i] | 0x0040 : all[i]);
  }
}

TEST_P(CandidateKernels, ConversionsKeepToTheirCount) {
  Random random(4);
  for (std::size_t count = 0; count <= 70; ++count) {
    const auto values = random_floats(random, count);
    const std::vector<float> no_floats(count);
    const std::vector<std::uint16_t> no_halves(count);
    const Guarded<float> in(values), wide(no_floats);
    const Guarded<std::uint16_t> half(no_halves), brain(no_halves);
    kernels().f32_to_f16(in.data(), half.data(), count);
    kernels().f32_to_bf16(in.data(), brain.data(), count);
    kernels().f16_to_f32(half.data(), wide.data(), count);
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_NEAR(wide.data()[i], values[i], std::abs(values[i]) * 0x1p-11 + 0x1p-25);
    kernels().bf16_to_f32(brain.data(), wide.data(), count);
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_NEAR(wide.data()[i], values[i], std::abs(values[i]) * 0x1p-8);
  }
}

}  // namespace
}  // namespace engram::simd::test
