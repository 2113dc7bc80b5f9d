// What a recall is asked for, and what it brings back.
//
// Thread-safety: values; TierCounters from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/tiers.h"

namespace engram::engine {

inline constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct RecallOptions {
  std::size_t k = 10;
  std::size_t ef = 64;
  double now = 0;  // seconds since 1970: what is found is touched then
  std::array<double, kTiers> budgets_us{kNoLimit, kNoLimit, kNoLimit};  // by tier, from when its turn comes
  double total_us = kNoLimit;
  std::array<bool, kTiers> tiers{true, true, true};  // which are asked; the queue counts as hot
  bool by_somebody = true;  // false: by the store itself; touches nothing and is not counted
};

struct Found {
  std::string id;
  std::uint64_t key;
  float distance;
  double confidence;
  Tier tier;
};

// What one tier did.
struct TierSearch {
  bool asked = false;
  std::size_t searched = 0;  // memories it holds, or in the queue held against the cue
  std::size_t found = 0;     // hits that came from it
  double elapsed_us = 0;
  bool truncated = false;   // its time was over before it was through
  std::size_t unnamed = 0;  // hits left out, for the page that holds their id is damaged
};

struct Recalled {
  std::vector<Found> hits;  // nearest first
  std::array<TierSearch, kTiers> tiers;
  std::string damage;  // what is wrong with the page for which the first hit was left out; empty: none was

  bool complete() const {
    for (const TierSearch& tier : tiers) {
      if (tier.truncated || tier.unnamed != 0) return false;
    }
    return true;
  }
};

// How long the recalls of one tier took: how many took less than 2^i microseconds, but not less than half of
// that.
class Latencies {
 public:
  static constexpr std::size_t kBuckets = 24;

  void add(double microseconds);
  // The time that this share of them took at most, to within a factor of the square root of two.
  double quantile(double share) const;

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
};

struct TierCounters {
  std::atomic<std::uint64_t> recalls{0};
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> truncated{0};
  std::atomic<std::uint64_t> unnamed{0};
  std::atomic<std::uint64_t> pages_read{0};
  std::atomic<std::uint64_t> pages_hit{0};
  Latencies latencies;
};

}  // namespace engram::engine
