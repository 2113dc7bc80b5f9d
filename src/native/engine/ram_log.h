// The log of a store that lives in RAM: gives LSNs and the order of visibility, writes nothing.
//
// Thread-safety: as wal::Log.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "wal/log.h"

namespace engram::engine {

class RamLog final : public wal::Log {
 public:
  explicit RamLog(wal::Commit on_commit) : on_commit_(std::move(on_commit)) {}

  wal::Lsn append(Bytes payload, std::optional<wal::Sync> sync, std::uint64_t context) override;
  bool wait_durable(wal::Lsn, std::optional<std::chrono::nanoseconds>) override { return true; }
  void flush() override {}
  wal::Lsn end_lsn() const override { return end_.load(std::memory_order_acquire); }
  wal::Lsn synced_lsn() const override { return end_lsn(); }
  bool failed() const override { return failed_.load(std::memory_order_acquire); }
  wal::Stats stats() const override;
  void close() override;
  void abandon() noexcept override {}

 private:
  wal::Commit on_commit_;
  mutable std::mutex mutex_;
  std::atomic<wal::Lsn> end_{8};     // 0 stands for nothing
  std::atomic<bool> failed_{false};  // memory ran out in the middle of a record
  wal::Stats stats_;
  bool closed_ = false;
};

}  // namespace engram::engine
