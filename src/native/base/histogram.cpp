#include "base/histogram.h"

#include <algorithm>

namespace engram {

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot seen;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen.counts[i] = counts_[i].load(std::memory_order_relaxed);
    seen.count += seen.counts[i];
  }
  seen.sum = static_cast<double>(sum_.load(std::memory_order_relaxed));
  seen.most = most_.load(std::memory_order_relaxed);
  return seen;
}

double Histogram::Snapshot::quantile(double share) const {
  const double rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(count);
  double below = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= rank) {
      const double into = (rank - below) / here;
      return std::min(least(i) + into * (least(i + 1) - least(i)), static_cast<double>(most));
    }
    below += here;
  }
  return 0;
}

}  // namespace engram
