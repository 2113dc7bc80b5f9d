#include "engine/ram_log.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace engram::engine {

wal::Lsn RamLog::append(Bytes payload, std::optional<wal::Sync>, std::uint64_t context) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw StoreClosed("the store is closed: open it again to write");
  if (failed()) {
    throw Error(
        "this store in RAM ran out of memory while it stored, and takes nothing more: open a new one");
  }
  const wal::Lsn lsn = end_.load(std::memory_order_relaxed);
  const std::array<wal::Record, 1> group{wal::Record{lsn, payload, context}};
  try {
    on_commit_(group);
  } catch (...) {
    failed_.store(true, std::memory_order_release);
    throw;
  }
  end_.store(lsn + (payload.size() + 7) / 8 * 8, std::memory_order_release);
  ++stats_.records;
  ++stats_.groups;
  stats_.bytes += payload.size();
  stats_.largest_group = 1;
  return lsn;
}

wal::Stats RamLog::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void RamLog::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace engram::engine
