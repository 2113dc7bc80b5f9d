// How alive a memory is: 1 for each time it was stored, recalled or got, halving every half-life.
//
// Thread-safety: touch() and the readers from any thread at once; a touch that loses a race is lost, no more.
//
// Invariants: 8 bytes a memory: the value in the upper half as float32 bits, in the lower half the second
// since 1970 at which it had that value. 0: never touched. Decay is computed when somebody asks.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace engram::engine {

class Activation {
 public:
  Activation() = default;
  Activation(float value, double at) : value_(value), at_(seconds(at)) {}
  static Activation of(std::uint64_t bits) {
    Activation activation;
    activation.value_ = std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 32));
    activation.at_ = static_cast<std::uint32_t>(bits);
    return activation;
  }
  std::uint64_t bits() const { return std::uint64_t{std::bit_cast<std::uint32_t>(value_)} << 32 | at_; }

  // A clock that was set back does not make a memory livelier.
  float value(double now, double half_life) const {
    return static_cast<float>(value_ * std::exp2(-idle(now) / half_life));
  }
  // Seconds since it was touched last.
  double idle(double now) const { return std::max(0.0, now - at_); }

  Activation touched(double now, double half_life) const {
    return {value(now, half_life) + 1.0F, std::max(now, static_cast<double>(at_))};
  }

 private:
  static std::uint32_t seconds(double at) {
    constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(std::clamp(at, 0.0, kMost));
  }

  float value_ = 0;
  std::uint32_t at_ = 0;
};
static_assert(sizeof(Activation) == 8);

// One memory's, shared by those who recall it.
using SharedActivation = std::atomic<std::uint64_t>;

inline Activation read(const SharedActivation& shared) {
  return Activation::of(shared.load(std::memory_order_relaxed));
}

inline void touch(SharedActivation& shared, double now, double half_life) {
  shared.store(read(shared).touched(now, half_life).bits(), std::memory_order_relaxed);
}

}  // namespace engram::engine
