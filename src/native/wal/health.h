// Whether the log still accepts anything: the first failed write or sync ends that for good.
//
// Thread-safety: all of it, from any thread.
//
// Invariant: once failed() is true it stays so, and check() names the first failure.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace engram::wal {

class Health {
 public:
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // `what` is what the system said; only the first counts.
  void fail(const char* what) noexcept;
  // Errors: DurabilityError once failed.
  void check() const;

 private:
  mutable std::mutex mutex_;
  std::string what_;
  std::atomic<bool> failed_{false};
};

}  // namespace engram::wal
