// What compact codes were off by, as far as a search has seen: how far it must trust their order.
//
// Thread-safety: owned by one search.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "hnsw/metric.h"

namespace engram::hnsw {

// The codes have ordered nothing when the spread of their error is beyond this share of the range of the
// distances they were to order; ranges below kTied of the distances are ties.
inline constexpr double kBlind = 0.1;
inline constexpr double kTied = 1e-6;

// What the codes of the candidates ranked so far were off by.
class CodeError {
 public:
  void see(float code, float exact) {
    const double off = static_cast<double>(code) - static_cast<double>(exact);
    ++count_;
    const double from_mean = off - mean_;
    mean_ += from_mean / static_cast<double>(count_);
    squares_ += from_mean * (off - mean_);
    least_ = std::min(least_, off);
    most_ = std::max(most_, off);
    nearest_ = std::min(nearest_, static_cast<double>(exact));
    farthest_ = std::max(farthest_, static_cast<double>(exact));
  }
  // The least distance that what has this code may be at.
  double least_of(float code) const {
    return static_cast<double>(code) - mean_ - std::max(most_ - mean_, mean_ - least_);
  }
  // Whether the distances are no ties.
  bool wide(Metric metric) const {
    const double scale = std::max(std::fabs(nearest_), std::fabs(farthest_));
    return count_ >= 2 && farthest_ - nearest_ > kTied * (metric == Metric::kCosine ? 1.0 : scale);
  }
  bool blind(Metric metric) const {
    if (!wide(metric)) return false;
    const double range = farthest_ - nearest_;
    return std::sqrt(squares_ / static_cast<double>(count_)) > kBlind * range;
  }

 private:
  std::size_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
  double least_ = std::numeric_limits<double>::max();
  double most_ = std::numeric_limits<double>::lowest();
  double nearest_ = std::numeric_limits<double>::max();
  double farthest_ = std::numeric_limits<double>::lowest();
};

}  // namespace engram::hnsw
