// Finds the segments of a log in its folder and reads them from an LSN on.
//
// Thread-safety: one call at a time for one folder.
//
// Invariants:
//  (1) The segments that count follow each other without a gap: each ends where the next begins. A segment
//      is superseded from the base of any later one on: what recovery once dropped stays dropped, even if
//      the removal of its files never reached the disk.
//  (2) Reading stops at the first record that is not whole. If anything later says that more was synced,
//      that is a CorruptionError; otherwise it is where the power went, and all after it is dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "wal/format.h"

namespace engram::wal {

struct Recovered {
  bool fresh = true;                // there was no segment at all
  std::uint64_t log_id = 0;         // undefined if fresh
  Lsn end = kFirstLsn;              // where the next record goes
  std::deque<SegmentHeader> kept;   // those with records, in order
  std::vector<std::uint32_t> idle;  // numbers of those without a record that counts: they may be removed
  std::uint32_t last_sequence = 0;  // the largest number there is
};

// Replays the records with lsn >= `from` in order. Unless `read_only`, the segments read are synced.
// Errors: CorruptionError, UnsupportedFormat, IoError; what `replay` throws.
Recovered recover(FileSystem& files, const Path& folder, Lsn from, bool read_only, const Replay& replay);

}  // namespace engram::wal
