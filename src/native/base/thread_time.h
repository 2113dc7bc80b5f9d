// How long this thread has computed: what work costs, whatever else the machine was doing meanwhile.
//
// Thread-safety: any thread, each for itself.
//
// Invariants: never goes back within a thread.
#pragma once

#include <ctime>

namespace engram {

inline double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace engram
