// One step of clustering: the rows of one group parted into a few by k-means (Lloyd) on a sample of them.
//
// Thread-safety: a Parter is used by one thread; nearest() from any.
//
// Invariants: distances are of vectors as they are under l2 and ip, of unit length under cosine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "base/system_vector.h"
#include "simd/kernels.h"
#include "tier/types.h"

namespace engram::tier {

// Vectors as the clustering sees them: row.vector times factor(row).
class Points {
 public:
  Points(std::span<const RowIn> rows, const Shape& shape, std::size_t threads);

  std::size_t dim() const { return dim_; }
  std::size_t size() const { return rows_.size(); }
  const float* raw(std::uint32_t row) const { return rows_[row].vector; }
  float factor(std::uint32_t row) const { return factors_.empty() ? 1.0F : factors_[row]; }
  void copy(std::uint32_t row, float* out) const;
  // Adds the row to `sum`.
  void add_to(std::uint32_t row, double* sum) const;

 private:
  std::span<const RowIn> rows_;
  std::size_t dim_;
  SystemVector<float> factors_;  // under cosine
};

// Some centres, and which of them is the nearest to a point.
class Centres {
 public:
  Centres(std::vector<float> values, std::size_t dim);

  std::size_t count() const { return rows_.size(); }
  std::span<const float> values() const { return values_; }
  // The nearest to factor * vector; of equal ones the first. `scores` has room for count().
  std::size_t nearest(const float* vector, float factor, std::span<float> scores) const;

 private:
  std::vector<float> values_;
  std::vector<const float*> rows_;
  std::vector<float> half_norms_;
  std::size_t dim_;
};

// At most `parts` centres of the points of `group`, trained on a sample.
Centres train(const Points& points, std::span<const std::uint32_t> group, std::size_t parts,
              std::mt19937_64& random);

// The mean of the points of `group`.
void mean_of(const Points& points, std::span<const std::uint32_t> group, float* out);

}  // namespace engram::tier
