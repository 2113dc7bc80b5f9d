#include "wal/park.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

namespace engram::wal {

#if defined(__linux__)

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

void park(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
  if (word.load(std::memory_order_acquire) != value) return;
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void unpark_one(const std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void unpark_all(const std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

#else

void park(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.wait(value, std::memory_order_acquire);
}

void unpark_one(const std::atomic<std::uint32_t>& word) {
  const_cast<std::atomic<std::uint32_t>&>(word).notify_one();
}

void unpark_all(const std::atomic<std::uint32_t>& word) {
  const_cast<std::atomic<std::uint32_t>&>(word).notify_all();
}

#endif

}  // namespace engram::wal
