#include "wal/health.h"

#include "base/error.h"

namespace engram::wal {

void Health::fail(const char* what) noexcept {
  const std::lock_guard lock(mutex_);
  if (failed_.load(std::memory_order_relaxed)) return;
  try {
    what_ = what;
  } catch (...) {  // no memory for the text: failed all the same
  }
  failed_.store(true, std::memory_order_release);
}

void Health::check() const {
  if (!failed()) return;
  const std::lock_guard lock(mutex_);
  throw DurabilityError(
      "the log failed (" + what_ +
      ") and accepts nothing more; what was stored before can still be recalled: see to the "
      "disk, then open the store again");
}

}  // namespace engram::wal
