#include "tier/kmeans.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/parallel.h"
#include "base/system_vector.h"

namespace engram::tier {
namespace {

constexpr int kRounds = 8;
constexpr std::size_t kSampleOfEach = 96;                     // points a centre is trained on
constexpr std::size_t kSampleFloats = std::size_t{16} << 20;  // of long vectors fewer

// Puts `count` different members of the group, at random, first.
SystemVector<std::uint32_t> sample(std::span<const std::uint32_t> group, std::size_t count,
                                   std::mt19937_64& random) {
  SystemVector<std::uint32_t> chosen(group.begin(), group.end());
  count = std::min(count, chosen.size());
  for (std::size_t i = 0; i < count; ++i) std::swap(chosen[i], chosen[i + random() % (chosen.size() - i)]);
  chosen.resize(count);
  return chosen;
}

}  // namespace

Points::Points(std::span<const RowIn> rows, const Shape& shape, std::size_t threads)
    : rows_(rows), dim_(shape.dim) {
  if (shape.metric != hnsw::Metric::kCosine) return;
  factors_.resize(rows.size());
  const simd::Kernels& kernels = simd::active();
  parallel_for(rows.size(), 1024, threads, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const float norm2 = kernels.dot(rows[i].vector, rows[i].vector, dim_);
      factors_[i] = norm2 > 0 ? 1.0F / std::sqrt(norm2) : 1.0F;
    }
  });
}

void Points::copy(std::uint32_t row, float* out) const {
  const float by = factor(row);
  for (std::size_t i = 0; i < dim_; ++i) out[i] = rows_[row].vector[i] * by;
}

void Points::add_to(std::uint32_t row, double* sum) const {
  const float by = factor(row);
  for (std::size_t i = 0; i < dim_; ++i) sum[i] += static_cast<double>(rows_[row].vector[i] * by);
}

Centres::Centres(std::vector<float> values, std::size_t dim) : values_(std::move(values)), dim_(dim) {
  for (std::size_t at = 0; at < values_.size(); at += dim) {
    rows_.push_back(values_.data() + at);
    half_norms_.push_back(simd::active().dot(rows_.back(), rows_.back(), dim) / 2);
  }
}

std::size_t Centres::nearest(const float* vector, float factor, std::span<float> scores) const {
  simd::active().dot_rows(vector, rows_.data(), rows_.size(), dim_, scores.data());
  std::size_t best = 0;
  float least = half_norms_[0] - factor * scores[0];
  for (std::size_t i = 1; i < rows_.size(); ++i) {
    const float score = half_norms_[i] - factor * scores[i];
    if (score < least) {
      least = score;
      best = i;
    }
  }
  return best;
}

Centres train(const Points& points, std::span<const std::uint32_t> group, std::size_t parts,
              std::mt19937_64& random) {
  const std::size_t dim = points.dim();
  const std::size_t most = std::max(kSampleFloats / dim, 2 * parts);
  const SystemVector<std::uint32_t> chosen = sample(group, std::min(parts * kSampleOfEach, most), random);
  SystemVector<float> matrix(chosen.size() * dim);
  for (std::size_t i = 0; i < chosen.size(); ++i) points.copy(chosen[i], matrix.data() + i * dim);

  parts = std::min(parts, chosen.size());
  std::vector<float> values(matrix.begin(), matrix.begin() + static_cast<std::ptrdiff_t>(parts * dim));
  std::vector<float> scores(parts);
  for (int round = 0; round < kRounds; ++round) {
    const Centres centres(values, dim);
    std::vector<double> sums(parts * dim);
    std::vector<std::size_t> counts(parts);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const float* const point = matrix.data() + i * dim;
      const std::size_t nearest = centres.nearest(point, 1.0F, scores);
      ++counts[nearest];
      for (std::size_t d = 0; d < dim; ++d) sums[nearest * dim + d] += static_cast<double>(point[d]);
    }
    for (std::size_t c = 0; c < parts; ++c) {
      if (counts[c] == 0) {  // begins anew elsewhere
        std::memcpy(values.data() + c * dim, matrix.data() + random() % chosen.size() * dim,
                    dim * sizeof(float));
        continue;
      }
      for (std::size_t d = 0; d < dim; ++d) {
        values[c * dim + d] = static_cast<float>(sums[c * dim + d] / static_cast<double>(counts[c]));
      }
    }
  }
  return Centres(std::move(values), dim);
}

void mean_of(const Points& points, std::span<const std::uint32_t> group, float* out) {
  std::vector<double> sum(points.dim());
  for (const std::uint32_t row : group) points.add_to(row, sum.data());
  for (std::size_t d = 0; d < points.dim(); ++d) {
    out[d] = static_cast<float>(sum[d] / static_cast<double>(group.size()));
  }
}

}  // namespace engram::tier
