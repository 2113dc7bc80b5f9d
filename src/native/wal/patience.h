// Whether a writer that is to lead should wait for those who are likely to be here soon, learnt from whether
// they came before.
//
// They come in time when they do nothing but append: then one group of all of them is worth the wait. They do
// not when what each does between two appends adds up to more than a sync takes, as in Python, where they do
// it one after another: then two groups that take turns get more done. One that stays out now and then proves
// nothing: trust is won and lost by and by.
//
// Thread-safety: none; it is the leader's own.
#pragma once

#include <algorithm>
#include <chrono>

namespace engram::wal {

class Patience {
 public:
  // Whether to wait this time, where a sync takes so long. Whoever does says then how it went.
  bool wants_to_wait(std::chrono::nanoseconds sync) {
    if (sync < kLeastSync) return false;
    if (resting_ == 0) return true;
    --resting_;
    return false;
  }
  void they_came() { trust_ = std::min(trust_ + 1, kMostTrust); }
  void they_did_not_come() {
    if (--trust_ > 0) return;
    trust_ = 1;
    resting_ = kRest;
  }

  // For how long, where a sync takes so long.
  static std::chrono::nanoseconds limit(std::chrono::nanoseconds sync) {
    return std::min<std::chrono::nanoseconds>(sync, kMost);
  }

  static constexpr std::chrono::microseconds kLeastSync{20};  // a shorter one costs less than to sleep
  static constexpr std::chrono::microseconds kMost{200};
  static constexpr int kMostTrust = 8;
  static constexpr int kRest = 64;  // groups until it is tried again

 private:
  int trust_ = kMostTrust;
  int resting_ = 0;
};

}  // namespace engram::wal
