// The integer kernels and score_codes: equal to the scalar table's results, bit for bit; and the scalar
// table's to their definition.
#include <cfloat>
#include <cmath>
#include <limits>

#include "simd/test_support.h"

namespace engram::simd::test {
namespace {

class CodeKernels : public EachTable {};
ENGRAM_FOR_EACH_TABLE(CodeKernels);

std::int64_t exact_dot(std::span<const std::uint8_t> a, std::span<const std::int8_t> b) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::int64_t{a[i]} * std::int64_t{b[i]};
  return sum;
}

std::int64_t exact_l2(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (std::int64_t{a[i]} - b[i]) * (std::int64_t{a[i]} - b[i]);
  return sum;
}

TEST_P(CodeKernels, AreExactInEveryDimensionAtTheEdgesOfMemory) {
  Random random(1);
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("seed 1, dimension " + std::to_string(dim));
    const auto a = random_bytes<std::uint8_t>(random, dim), c = random_bytes<std::uint8_t>(random, dim);
    const auto b = random_bytes<std::int8_t>(random, dim);
    for (const bool behind : {true, false}) {
      using Against = Guarded<std::uint8_t>::Against;
      const Guarded<std::uint8_t> x(a, behind ? Against::kBehind : Against::kBefore);
      const Guarded<std::uint8_t> z(c, behind ? Against::kBehind : Against::kBefore);
      using QueryAgainst = Guarded<std::int8_t>::Against;
      const Guarded<std::int8_t> y(b, behind ? QueryAgainst::kBehind : QueryAgainst::kBefore);
      EXPECT_EQ(kernels().dot_u8s8(x.data(), y.data(), dim), exact_dot(a, b));
      EXPECT_EQ(kernels().l2_u8(x.data(), z.data(), dim), exact_l2(a, c));
    }
  }
}

TEST_P(CodeKernels, AreExactForTheLargestValues) {
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("dimension " + std::to_string(dim));
    const std::vector<std::uint8_t> most(dim, 255), none(dim, 0);
    const std::vector<std::int8_t> highest(dim, 127), lowest(dim, -128);
    EXPECT_EQ(kernels().dot_u8s8(most.data(), highest.data(), dim), exact_dot(most, highest));
    EXPECT_EQ(kernels().dot_u8s8(most.data(), lowest.data(), dim), exact_dot(most, lowest));
    EXPECT_EQ(kernels().l2_u8(most.data(), none.data(), dim), exact_l2(most, none));
    EXPECT_EQ(kernels().l2_u8(none.data(), most.data(), dim), exact_l2(none, most));
  }
}

TEST_P(CodeKernels, TakeAnyAlignment) {
  Random random(2);
  const auto a = random_bytes<std::uint8_t>(random, 400), c = random_bytes<std::uint8_t>(random, 400);
  const auto b = random_bytes<std::int8_t>(random, 400);
  for (std::size_t shift = 0; shift < 64; ++shift) {
    const std::span x = std::span(a).subspan(shift, 300), z = std::span(c).subspan(64 - shift, 300);
    const std::span y = std::span(b).subspan(shift / 2, 300);
    EXPECT_EQ(kernels().dot_u8s8(x.data(), y.data(), 300), exact_dot(x, y)) << "shift " << shift;
    EXPECT_EQ(kernels().l2_u8(x.data(), z.data(), 300), exact_l2(x, z)) << "shift " << shift;
  }
}

// --- score_codes ---

std::vector<std::byte> make_code(Random& random, const CodeHeader& header, std::size_t dim) {
  auto code = random_bytes<std::byte>(random, kCodeHeaderBytes + dim);
  std::memcpy(code.data(), &header, sizeof header);
  return code;
}

CodeHeader random_header(Random& random) {
  std::uniform_real_distribution<float> any(-3.0f, 3.0f);
  return {.norm2 = any(random), .scale = any(random), .offset = any(random), .sum = any(random)};
}

CodeQuery random_query(Random& random, const std::int8_t* values) {
  std::uniform_real_distribution<float> any(-3.0f, 3.0f);
  return {values, any(random), any(random), any(random), any(random), any(random)};
}

double exact_score(const CodeQuery& query, const std::vector<std::byte>& code, double& terms) {
  CodeHeader header;
  std::memcpy(&header, code.data(), sizeof header);
  std::int64_t product = 0;
  for (std::size_t i = 0; i + kCodeHeaderBytes < code.size(); ++i) {
    product += std::int64_t{static_cast<std::uint8_t>(code[kCodeHeaderBytes + i])} * query.values[i];
  }
  const double parts[] = {query.bias, double{query.norm2_weight} * header.norm2,
                          double{query.product_weight} * header.scale * static_cast<double>(product),
                          double{query.offset_weight} * header.offset, double{query.sum_weight} * header.sum};
  double sum = 0;
  terms = 0;
  for (const double part : parts) {
    sum += part;
    terms += std::abs(part);
  }
  return sum;
}

TEST_P(CodeKernels, ScoreCodesByTheExpression) {
  Random random(3);
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("seed 3, dimension " + std::to_string(dim));
    const auto values = random_bytes<std::int8_t>(random, dim);
    const CodeQuery query = random_query(random, values.data());
    const auto code = make_code(random, random_header(random), dim);
    const std::byte* at = code.data();
    float got = 0;
    kernels().score_codes(query, &at, 1, dim, &got);
    double terms = 0;
    const double expected = exact_score(query, code, terms);
    EXPECT_NEAR(got, expected, terms * 6 * 0x1p-24);
  }
}

TEST_P(CodeKernels, ScoreEveryCountOfCodesToTheScalarBits) {
  Random random(4);
  for (const std::size_t dim :
       {1, 2, 15, 31, 32, 33, 63, 64, 65, 96, 100, 128, 200, 384, 385, 768, 1000, 4099}) {
    const auto values = random_bytes<std::int8_t>(random, dim);
    const CodeQuery query = random_query(random, values.data());
    for (std::size_t count = 0; count <= 40; ++count) {
      SCOPED_TRACE("seed 4, dimension " + std::to_string(dim) + ", count " + std::to_string(count));
      std::vector<std::vector<std::byte>> codes;
      std::vector<const std::byte*> at;
      for (std::size_t i = 0; i < count; ++i) codes.push_back(make_code(random, random_header(random), dim));
      for (const auto& code : codes) at.push_back(code.data());
      std::vector<float> got(count + 1, -7.0f), expected(count + 1, -7.0f);
      kernels().score_codes(query, at.data(), count, dim, got.data());
      scalar().score_codes(query, at.data(), count, dim, expected.data());
      EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0);
    }
  }
}

TEST_P(CodeKernels, ScoreUnalignedCodesAtTheEdgesOfMemory) {
  Random random(5);
  for (const std::size_t dim : dimensions()) {
    SCOPED_TRACE("seed 5, dimension " + std::to_string(dim));
    const Guarded<std::int8_t> values(random_bytes<std::int8_t>(random, dim));
    const CodeQuery query = random_query(random, values.data());
    const auto code = make_code(random, random_header(random), dim);
    const Guarded<std::byte> behind(code), before(code, Guarded<std::byte>::Against::kBefore);
    const std::byte* at[] = {behind.data(), before.data(), code.data(), behind.data(), before.data()};
    float got[5] = {}, expected[5] = {};
    kernels().score_codes(query, at, 5, dim, got);
    scalar().score_codes(query, at, 5, dim, expected);
    EXPECT_EQ(std::memcmp(got, expected, sizeof got), 0);
  }
}

TEST_P(CodeKernels, ScoreWhatIsNotANumberAsTheLargestFloat) {
  Random random(6);
  const float infinity = std::numeric_limits<float>::infinity();
  const float specials[] = {
      std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, FLT_MAX, -FLT_MAX, 0.0f};
  const auto values = random_bytes<std::int8_t>(random, 50);
  for (const float special : specials) {
    for (int term = 0; term < 4; ++term) {
      for (std::size_t place = 0; place < 7; ++place) {
        const CodeQuery query = random_query(random, values.data());
        std::vector<std::vector<std::byte>> codes;
        std::vector<const std::byte*> at;
        for (std::size_t i = 0; i < 7; ++i) {
          CodeHeader header = random_header(random);
          if (i == place) (&header.norm2)[term] = special;
          codes.push_back(make_code(random, header, 50));
        }
        for (const auto& code : codes) at.push_back(code.data());
        float got[7], expected[7];
        kernels().score_codes(query, at.data(), 7, 50, got);
        scalar().score_codes(query, at.data(), 7, 50, expected);
        EXPECT_EQ(std::memcmp(got, expected, sizeof got), 0) << special << " as term " << term;
        EXPECT_LE(got[place], FLT_MAX);  // false for NaN
        if (std::isnan(special)) {
          EXPECT_EQ(got[place], FLT_MAX);
        }
      }
    }
  }
}

}  // namespace
}  // namespace engram::simd::test
