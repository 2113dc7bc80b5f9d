// Reads whatever can be read of a damaged log, and says where it could not.
//
// Thread-safety: one call at a time for one folder. Writes nothing.
//
// Invariants:
//  (1) A record is passed on only if its checksum holds for its segment's epoch and its LSN is one that its
//      place allows; in LSN order, each LSN once.
//  (2) What a later segment supersedes is not passed on: what recovery once dropped stays dropped.
//  (3) Nothing is read outside the bytes, whatever they hold.
#pragma once

#include <cstdint>
#include <vector>

#include "wal/format.h"

namespace engram::wal {

// What could not be read; what it held is unknown.
struct Unreadable {
  Path file;  // the log's folder where no file holds these LSNs
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // 0: they are not in the file
  Lsn begin = 0;
  Lsn end = 0;  // not included
};

struct Salvaged {
  std::vector<Unreadable> unreadable;  // in LSN order
  Lsn begin = 0;                       // the LSN of the first segment that could be read; 0: there was none
  Lsn end = 0;                         // above everything that was read or is known to be missing
  std::uint64_t records = 0;
  // Whether the last segment ends as one does that was closed or killed. If not, it was cut, or none is left,
  // and nothing tells how far the log went. (That a whole segment is missing behind it cannot be seen here.)
  bool ended = false;
};

// Passes on every readable record. Errors: UnsupportedFormat, IoError; what `replay` throws.
Salvaged salvage(FileSystem& files, const Path& folder, const Replay& replay);

}  // namespace engram::wal
