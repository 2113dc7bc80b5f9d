// Waiting for a condition in slices, so that a signal the process got is seen meanwhile.
//
// Thread-safety: as the condition variable's own waits.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

namespace engram::engine {

using Seconds = std::chrono::duration<double>;

// False when `timeout` passed before `ready`. `between` is called without the lock; it may throw.
template <class Ready>
bool wait_sliced(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                 std::optional<Seconds> timeout, const std::function<void()>& between, Ready&& ready) {
  static constexpr std::chrono::milliseconds kSlice{100};
  const auto begin = std::chrono::steady_clock::now();
  while (!changed.wait_for(lock, timeout ? std::min<Seconds>(*timeout, kSlice) : Seconds(kSlice), ready)) {
    if (timeout && std::chrono::steady_clock::now() - begin >= *timeout) return false;
    lock.unlock();
    between();
    lock.lock();
  }
  return true;
}

}  // namespace engram::engine
