#include "engine/probe.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace engram::engine {
namespace {

constexpr double kZ = 1.959964;  // 95 % of a normal distribution

}  // namespace

void Probe::offer(const float* vector, std::size_t dim, std::size_t ef) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || !wanted()) return;
  cue_ = Cue{std::vector<float>(vector, vector + dim), ef};
  wanted_.store(false, std::memory_order_relaxed);
  changed_.notify_all();
}

std::optional<Probe::Cue> Probe::wait(Seconds timeout) {
  std::unique_lock lock(mutex_);
  if (stopping_) return std::nullopt;
  wanted_.store(!cue_.has_value(), std::memory_order_relaxed);
  changed_.wait_for(lock, timeout, [this] { return stopping_ || cue_.has_value(); });
  if (stopping_) return std::nullopt;
  return std::exchange(cue_, std::nullopt);
}

void Probe::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wanted_.store(false, std::memory_order_relaxed);
  changed_.notify_all();
}

void Probe::add(std::size_t found, std::size_t nearest) {
  if (nearest == 0) return;
  const Result result{static_cast<double>(found), static_cast<double>(nearest)};
  const std::lock_guard lock(mutex_);
  if (results_.size() < kRemembered) {
    results_.push_back(result);
  } else {
    results_[next_] = result;
    next_ = (next_ + 1) % kRemembered;
  }
}

// Wilson's interval. The neighbours of one cue are found or missed together: they count as many trials as a
// sample of independent ones would need for the same spread between cues (Kish's effective size).
Probe::Estimate Probe::estimate() const {
  const std::lock_guard lock(mutex_);
  Estimate estimate;
  estimate.cues = results_.size();
  if (results_.empty()) return estimate;
  const auto cues = static_cast<double>(results_.size());
  double found = 0;
  double nearest = 0;
  for (const Result& each : results_) {
    found += each.found;
    nearest += each.nearest;
  }
  const double p = found / nearest;
  double squares = 0;
  for (const Result& each : results_) squares += std::pow(each.found - p * each.nearest, 2);
  double trials = nearest;
  if (cues > 1 && squares > 0) {
    const double variance = cues / (cues - 1) * squares / (nearest * nearest);
    trials = std::clamp(p * (1 - p) / variance, std::min(cues, nearest), nearest);
  }
  const double z2 = kZ * kZ / trials;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double width = kZ / (1 + z2) * std::sqrt(p * (1 - p) / trials + z2 / (4 * trials));
  estimate.recall = p;
  estimate.low = std::min(p, std::max(0.0, middle - width));
  estimate.high = std::max(p, std::min(1.0, middle + width));
  return estimate;
}

}  // namespace engram::engine
