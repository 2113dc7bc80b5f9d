// The words every file of this room shares.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/file.h"

namespace engram::wal {

// A logical byte position among all records ever appended; 0 is no record's (the first is at kFirstLsn).
using Lsn = std::uint64_t;

enum class Sync : std::uint8_t { kAlways, kInterval, kNever };

// One committed record. It takes header and payload in the LSN space, so lsn + (an offset into the payload)
// is an LSN of its own, below the next record's: what a record of many memories keys each of them by.
struct Record {
  Lsn lsn;
  Bytes payload;          // valid during the callback only
  std::uint64_t context;  // what append() was given; 0 in recovery
};

// Called by the leader of the moment, never by two threads at once. Must not throw.
using Commit = std::function<void(std::span<const Record> group)>;
using Replay = std::function<void(const Record& record)>;

}  // namespace engram::wal
