#include "wal/park.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#else
#include <thread>
#endif

namespace engram::wal {

#if defined(__linux__)

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

void park(const std::atomic<std::uint32_t>& word, std::uint32_t value, Marks marks) {
  if (word.load(std::memory_order_acquire) != value) return;
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value, nullptr, nullptr, marks);
}

void park_until(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                std::chrono::steady_clock::time_point until, Marks marks) {
  if (word.load(std::memory_order_acquire) != value) return;
  // The steady clock is CLOCK_MONOTONIC, by which this call takes an instant, not a span.
  const auto since = until.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  const std::chrono::nanoseconds rest = since - seconds;
  const std::timespec at{static_cast<std::time_t>(seconds.count()), static_cast<long>(rest.count())};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value, &at, nullptr, marks);
}

void unpark(const std::atomic<std::uint32_t>& word, Marks marks) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, marks);
}

#else

void park(const std::atomic<std::uint32_t>& word, std::uint32_t value, Marks) {
  word.wait(value, std::memory_order_acquire);
}

void park_until(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                std::chrono::steady_clock::time_point until, Marks) {
  while (word.load(std::memory_order_acquire) == value && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
}

void unpark(const std::atomic<std::uint32_t>& word, Marks) {
  const_cast<std::atomic<std::uint32_t>&>(word).notify_all();
}

#endif

}  // namespace engram::wal
