// When a search must end. Asking the clock costs about as much as scoring two codes, so it is asked once in a
// few times.
//
// Thread-safety: owned by one search.
#pragma once

#include <chrono>

namespace engram::tier {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(Clock::time_point at) : at_(at) {}

  // Whether the time has come; once it has, it stays so.
  bool due() {
    if (passed_ || at_ == Clock::time_point::max()) return passed_;
    if (asked_++ % kEvery == 0) passed_ = Clock::now() >= at_;
    return passed_;
  }
  // After something that may have taken long.
  bool due_now() {
    asked_ = 0;
    return due();
  }
  bool passed() const { return passed_; }

 private:
  static constexpr unsigned kEvery = 4;
  Clock::time_point at_;
  unsigned asked_ = 0;
  bool passed_ = false;
};

}  // namespace engram::tier
