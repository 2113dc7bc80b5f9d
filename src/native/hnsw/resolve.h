// After a walk on sketches: the order of what it has found, by whole codes; and how far sketches are off.
//
// Thread-safety: as walk.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "hnsw/walk.h"

namespace engram::hnsw {

// A graph whose nodes' mean is this or more is walked by codes; a walk whose own pool shows more than that
// begins again by codes. Measured: docs/performance.md.
inline constexpr double kSketchesOff = 0.04;
inline constexpr double kWalkOff = 0.1;

// The spread of what the sketches' distances are off, as a share of the range of the codes' distances, which
// they are to order; at most 1.
class SketchError {
 public:
  void see(float sketch, float code) {
    const double off = static_cast<double>(code) - static_cast<double>(sketch);
    ++count_;
    sum_ += off;
    squares_ += off * off;
    nearest_ = std::min(nearest_, code);
    farthest_ = std::max(farthest_, code);
  }
  double share() const {
    const double count = static_cast<double>(count_);
    const double variance = squares_ / count - sum_ / count * (sum_ / count);
    if (!(variance > 0)) return 0;
    return std::min(std::sqrt(variance) / (static_cast<double>(farthest_) - static_cast<double>(nearest_)),
                    1.0);
  }

 private:
  std::size_t count_ = 0;
  double sum_ = 0;
  double squares_ = 0;
  float nearest_ = std::numeric_limits<float>::max();
  float farthest_ = std::numeric_limits<float>::lowest();
};

// A walk is judged by so many of the nearest: what lies farther out widens the range, not what is to be told
// apart.
inline constexpr std::size_t kJudged = 32;

// Sorts the pool's entries, those that count, by their codes; returns what the sketches of the nearest were
// off.
template <class NodeSource>
double resolve(const FieldOf<NodeSource>& field, Scratch& scratch) {
  Pool& pool = scratch.pool;
  Gathered& codes = scratch.choosing;
  std::vector<float>& sketches = scratch.floats;
  pool.keep_counted();
  const std::size_t count = pool.size();
  if (count == 0) return 0;
  codes.grow_to(count);
  sketches.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    codes.codes[i] = field.nodes.code(pool.slot(i));
    sketches[i] = pool.distance(i);
  }
  field.by_codes().score(codes.codes.data(), count, codes.distances.data());
  pool.rescore(codes.distances.data());
  const float farthest = pool.distance(std::min(count, kJudged) - 1);
  SketchError error;
  for (std::size_t i = 0; i < count; ++i) {
    if (codes.distances[i] <= farthest) error.see(sketches[i], codes.distances[i]);
  }
  return error.share();
}

}  // namespace engram::hnsw
