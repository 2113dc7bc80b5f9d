#include "engine/recalled.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace engram::engine {

void Latencies::add(double microseconds) {
  const auto whole = static_cast<std::uint64_t>(std::clamp(microseconds, 0.0, 1e15));
  const std::size_t bucket =
      std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(whole)), kBuckets - 1);
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
}

double Latencies::quantile(double share) const {
  std::array<std::uint64_t, kBuckets> counts{};
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) total += counts[i] = counts_[i].load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const double wanted = share * static_cast<double>(total);
  std::uint64_t below = 0;
  std::size_t bucket = 0;
  while (bucket + 1 < kBuckets && static_cast<double>(below + counts[bucket]) < wanted)
    below += counts[bucket++];
  // The middle of the bucket, on the scale on which it is a step.
  return std::ldexp(1.0, static_cast<int>(bucket)) / std::numbers::sqrt2;
}

}  // namespace engram::engine
