#include "hnsw/sketch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace engram::hnsw {
namespace {

constexpr std::size_t kCodeValues = 256;
constexpr float kMostLevel = 15.0F;

// How often each value comes in a code.
using Histogram = std::array<float, kCodeValues>;

// The sixteen values, in units of the code, that its elements are rounded to.
struct Levels {
  float least = 0;
  float step = 0;
  float inverse = 0;  // 1 / step, or 0 where there is but one

  std::int32_t of(float value) const {
    return static_cast<std::int32_t>(std::clamp((value - least) * inverse + 0.5F, 0.0F, kMostLevel));
  }
  // The sum of the squares of what is lost.
  float loss(const Histogram& values) const {
    std::array<float, 8> lanes{};  // independent, so that they are kept in a register
    for (std::size_t value = 0; value < kCodeValues; value += lanes.size()) {
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        const auto x = static_cast<float>(value + lane);
        const float off = x - least - static_cast<float>(of(x)) * step;
        lanes[lane] += values[value + lane] * off * off;
      }
    }
    float sum = 0;
    for (const float lane : lanes) sum += lane;
    return sum;
  }
};

Levels levels_between(float least, float most) {
  least = std::max(least, 0.0F);
  const float step = (std::min(most, 255.0F) - least) / kMostLevel;
  return step > 0 ? Levels{least, step, 1 / step} : Levels{least, 0, 0};
}

Histogram histogram_of(const std::uint8_t* values, std::size_t dim) {
  std::array<std::array<std::uint32_t, kCodeValues>, 4> counts{};  // so that equal neighbours need not wait
  for (std::size_t i = 0; i < dim; ++i) ++counts[i % 4][values[i]];
  Histogram all;
  for (std::size_t value = 0; value < kCodeValues; ++value) {
    all[value] =
        static_cast<float>(counts[0][value] + counts[1][value] + counts[2][value] + counts[3][value]);
  }
  return all;
}

// Of some ranges the one that loses least: all that the code spans, or less where few elements lie far out.
Levels levels_for(const Histogram& values, std::size_t dim) {
  float sum = 0;
  float squares = 0;
  for (std::size_t value = 0; value < kCodeValues; ++value) {
    sum += static_cast<float>(value) * values[value];
    squares += static_cast<float>(value * value) * values[value];
  }
  const float mean = sum / static_cast<float>(dim);
  const float deviation = std::sqrt(std::max(squares / static_cast<float>(dim) - mean * mean, 0.0F));
  Levels best = levels_between(0, 255);
  float least = best.loss(values);
  for (const float deviations : {2.5F, 4.0F}) {
    const Levels levels = levels_between(mean - deviations * deviation, mean + deviations * deviation);
    const float loss = levels.loss(values);
    if (!(loss < least)) continue;
    best = levels;
    least = loss;
  }
  return best;
}

struct LevelSums {
  std::int64_t levels = 0;
  std::int64_t squares = 0;
};

// Writes the levels of `dim` elements, and zeros behind them.
LevelSums pack(const std::uint8_t* values, std::size_t dim, const Levels& levels, std::uint8_t* out) {
  std::array<std::uint8_t, kCodeValues> level_of;
  for (std::size_t value = 0; value < kCodeValues; ++value) {
    level_of[value] = static_cast<std::uint8_t>(levels.of(static_cast<float>(value)));
  }
  constexpr std::size_t kHalf = simd::kSketchBlock / 2;
  LevelSums sums;
  for (std::size_t begin = 0; begin < dim; begin += simd::kSketchBlock, out += kHalf) {
    std::array<std::uint8_t, simd::kSketchBlock> block{};
    const std::size_t count = std::min(dim - begin, simd::kSketchBlock);
    for (std::size_t i = 0; i < count; ++i) block[i] = level_of[values[begin + i]];
    std::int32_t sum = 0;
    std::int32_t squares = 0;
    for (const std::uint8_t level : block) {
      sum += level;
      squares += level * level;
    }
    sums.levels += sum;
    sums.squares += squares;
    for (std::size_t i = 0; i < kHalf; ++i) {
      out[i] = static_cast<std::uint8_t>(block[i] | block[kHalf + i] << 4);
    }
  }
  return sums;
}

}  // namespace

void sketch(const std::byte* code, std::size_t dim, std::byte* out) {
  simd::CodeHeader header;
  std::memcpy(&header, code, sizeof header);
  const auto* const values = reinterpret_cast<const std::uint8_t*>(code + simd::kCodeHeaderBytes);
  const Histogram histogram = histogram_of(values, dim);
  const Levels levels = levels_for(histogram, dim);
  const LevelSums sums =
      pack(values, dim, levels, reinterpret_cast<std::uint8_t*>(out + simd::kCodeHeaderBytes));

  const double unit = header.scale;
  const double scale = unit * levels.step;
  const double offset = header.offset + unit * levels.least;
  const auto count = static_cast<double>(dim);
  const auto level_sum = static_cast<double>(sums.levels);
  const double norm2 = offset * offset * count + 2 * offset * scale * level_sum +
                       scale * scale * static_cast<double>(sums.squares);
  // What was lost counts once more in each distance: off with it.
  const simd::CodeHeader own{.norm2 = static_cast<float>(norm2 - unit * unit * levels.loss(histogram)),
                             .scale = static_cast<float>(scale),
                             .offset = static_cast<float>(offset),
                             .sum = static_cast<float>(offset * count + scale * level_sum)};
  std::memcpy(out, &own, sizeof own);
}

}  // namespace engram::hnsw
