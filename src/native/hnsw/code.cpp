#include "hnsw/code.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstring>

namespace engram::hnsw {
namespace {

constexpr float kSteps = 255.0F;
constexpr std::size_t kLanes = 16;

struct Range {
  float least;
  float step;     // 0 when all elements are equal, or too near each other for a step
  float inverse;  // 1 / step, or 0
};

// Independent lanes, so that the compiler keeps them in vector registers.
Range range_of(const float* vector, std::size_t dim, Coding coding) {
  std::array<float, kLanes> low;
  std::array<float, kLanes> high;
  low.fill(vector[0]);
  high.fill(vector[0]);
  std::size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float x = vector[i + lane];
      low[lane] = x < low[lane] ? x : low[lane];
      high[lane] = x > high[lane] ? x : high[lane];
    }
  }
  for (; i < dim; ++i) {
    low[0] = std::min(low[0], vector[i]);
    high[0] = std::max(high[0], vector[i]);
  }
  const float least = *std::min_element(low.begin(), low.end()) * coding.factor - coding.shift;
  const float most = *std::max_element(high.begin(), high.end()) * coding.factor - coding.shift;
  const float step = (most - least) / kSteps;
  const float inverse = 1.0F / step;
  // A subnormal step has no inverse; equal elements have no step.
  return std::isfinite(inverse) && step > 0 ? Range{least, step, inverse} : Range{least, 0.0F, 0.0F};
}

// The code values 0..255 of the elements.
template <class Put>
void code_values(const float* vector, std::size_t dim, Coding coding, const Range& range, Put put) {
  const float scale = coding.factor * range.inverse;
  const float start = 0.5F - (range.least + coding.shift) * range.inverse;
  if (std::isfinite(scale) && std::isfinite(start) && std::fabs(start) < 1e6F) {
    for (std::size_t i = 0; i < dim; ++i) {
      put(i, std::clamp(static_cast<std::int32_t>(vector[i] * scale + start), 0, 255));
    }
    return;
  }
  // Elements all far from 0 and near each other: subtract first, or the digits are lost.
  for (std::size_t i = 0; i < dim; ++i) {
    const float unit = (vector[i] * coding.factor - coding.shift - range.least) * range.inverse;
    put(i, static_cast<std::int32_t>(std::clamp(unit + 0.5F, 0.0F, kSteps)));
  }
}

struct Sums {
  std::int64_t values;
  std::int64_t squares;
};

template <class Byte>
Sums sums_of(const Byte* values, std::size_t dim) {
  Sums sums{0, 0};
  for (std::size_t begin = 0; begin < dim; begin += 4096) {  // 4096 squares of 255 fit in 32 bits
    std::int32_t sum = 0;
    std::int32_t squares = 0;
    for (std::size_t i = begin; i < std::min(dim, begin + 4096); ++i) {
      const std::int32_t value = values[i];
      sum += value;
      squares += value * value;
    }
    sums.values += sum;
    sums.squares += squares;
  }
  return sums;
}

// sum and squared length of offset + scale * values[i].
float decoded_sum(double offset, double scale, const Sums& sums, std::size_t dim) {
  return static_cast<float>(offset * static_cast<double>(dim) + scale * static_cast<double>(sums.values));
}
float decoded_norm2(double offset, double scale, const Sums& sums, std::size_t dim) {
  return static_cast<float>(offset * offset * static_cast<double>(dim) +
                            2 * offset * scale * static_cast<double>(sums.values) +
                            scale * scale * static_cast<double>(sums.squares));
}

// With x = o + s c and q = oq + sq qc:  <x, q> = o * (sq * sum qc) + oq * sum x + s * sq * I.
// Cosine is half the squared distance of the decoded vectors, not 1 - <x, q>: so the part of a code's error
// that lies along the vector cancels, and near neighbours keep their order.
simd::CodeQuery make_query(const std::int8_t* values, std::int64_t value_sum, float offset, float scale,
                           float norm2, Metric metric) {
  const float weight = metric == Metric::kL2 ? -2.0F : -1.0F;
  const float lengths = metric == Metric::kL2 ? 1.0F : metric == Metric::kCosine ? 0.5F : 0.0F;
  return {.values = values,
          .bias = metric == Metric::kIp ? 1.0F : lengths * norm2,
          .norm2_weight = lengths,
          .product_weight = weight * scale,
          .offset_weight = weight * scale * static_cast<float>(value_sum),
          .sum_weight = weight * offset};
}

}  // namespace

Coding coding_of(const float* vector, std::size_t dim, Metric metric, float shift) {
  if (metric != Metric::kCosine) return {.factor = 1.0F, .shift = metric == Metric::kL2 ? shift : 0.0F};
  const float norm2 = simd::active().dot(vector, vector, dim);
  return {.factor = norm2 > 0 ? 1.0F / std::sqrt(norm2) : 1.0F, .shift = 0.0F};
}

void encode(const float* vector, std::size_t dim, Coding coding, std::byte* out) {
  const Range range = range_of(vector, dim, coding);
  auto* const values = reinterpret_cast<std::uint8_t*>(out + simd::kCodeHeaderBytes);
  code_values(vector, dim, coding, range,
              [values](std::size_t i, std::int32_t value) { values[i] = static_cast<std::uint8_t>(value); });
  const Sums sums = sums_of(values, dim);
  const simd::CodeHeader header{.norm2 = decoded_norm2(range.least, range.step, sums, dim),
                                .scale = range.step,
                                .offset = range.least,
                                .sum = decoded_sum(range.least, range.step, sums, dim)};
  std::memcpy(out, &header, sizeof header);
}

simd::CodeQuery encode_query(const float* vector, std::size_t dim, Coding coding, Metric metric,
                             std::int8_t* values) {
  const Range range = range_of(vector, dim, coding);
  code_values(vector, dim, coding, range, [values](std::size_t i, std::int32_t value) {
    values[i] = static_cast<std::int8_t>(value - 128);
  });
  const float offset = range.least + 128 * range.step;
  const Sums sums = sums_of(values, dim);
  return make_query(values, sums.values, offset, range.step, decoded_norm2(offset, range.step, sums, dim),
                    metric);
}

simd::CodeQuery query_of_code(const std::byte* code, std::size_t dim, Metric metric, std::int8_t* values) {
  simd::CodeHeader header;
  std::memcpy(&header, code, sizeof header);
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(code + simd::kCodeHeaderBytes);
  std::int64_t sum = 0;
  for (std::size_t begin = 0; begin < dim; begin += 4096) {
    std::int32_t part = 0;
    for (std::size_t i = begin; i < std::min(dim, begin + 4096); ++i) {
      values[i] = static_cast<std::int8_t>(bytes[i] ^ 0x80U);
      part += values[i];
    }
    sum += part;
  }
  return make_query(values, sum, header.offset + 128 * header.scale, header.scale, header.norm2, metric);
}

}  // namespace engram::hnsw
