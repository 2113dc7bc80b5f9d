// Counts how often values of each magnitude occurred: latencies in nanoseconds, depths.
//
// Thread-safety: record() and snapshot() from any thread; nothing is locked. A snapshot taken while others
// record may miss some of what they are about to count, never show anything twice.
//
// Invariants: a value is at most a quarter above the lower end of its bucket; values below 4 are exact.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace engram {

class Histogram {
 public:
  static constexpr std::size_t kBuckets = 252;

  struct Snapshot {
    std::array<std::uint64_t, kBuckets> counts{};
    std::uint64_t count = 0;
    double sum = 0;
    std::uint64_t most = 0;

    double mean() const { return count == 0 ? 0.0 : sum / static_cast<double>(count); }
    // The value that `share` (0..1) of all are at or below, as near as the buckets tell; 0 when there is
    // none.
    double quantile(double share) const;
  };

  void record(std::uint64_t value, std::uint64_t times = 1) {
    counts_[bucket(value)].fetch_add(times, std::memory_order_relaxed);
    sum_.fetch_add(value * times, std::memory_order_relaxed);
    std::uint64_t most = most_.load(std::memory_order_relaxed);
    while (value > most && !most_.compare_exchange_weak(most, value, std::memory_order_relaxed)) {
    }
  }

  Snapshot snapshot() const;

  // The bucket of a value, and the least value of a bucket (that of kBuckets is above every value).
  static constexpr std::size_t bucket(std::uint64_t value) {
    if (value < 4) return static_cast<std::size_t>(value);
    const auto exponent = static_cast<unsigned>(std::bit_width(value) - 1);
    return 4 * (exponent - 1) + static_cast<std::size_t>((value >> (exponent - 2)) & 3U);
  }
  static constexpr double least(std::size_t bucket) {
    if (bucket < 4) return static_cast<double>(bucket);
    const std::size_t exponent = bucket / 4 - 1;
    return static_cast<double>(4 + bucket % 4) * static_cast<double>(std::uint64_t{1} << exponent);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> most_{0};
};

}  // namespace engram
