// One byte that a thread holds for the few microseconds it takes to change a node's links.
#pragma once

#include <atomic>
#include <thread>

namespace engram::hnsw {

class SpinLock {
 public:
  void lock() {
    for (int tries = 0; held_.exchange(true, std::memory_order_acquire); ++tries) {
      while (held_.load(std::memory_order_relaxed)) {
        if (++tries > 64) std::this_thread::yield();  // its holder may have been put to sleep
      }
    }
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace engram::hnsw
