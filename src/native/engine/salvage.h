// What `engram repair` reads of a store that cannot be opened: its manifest, the two files of a checkpoint,
// each by itself, and the log's entries; and the lock it holds meanwhile.
//
// Thread-safety: one call at a time. Writes nothing.
//
// Invariants: everything returned has passed its checksum.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/entry.h"
#include "engine/rows_file.h"
#include "wal/salvage.h"

namespace engram::engine {

// The rows of a checkpoint's file and the LSN it says it is of. Errors: CorruptionError, UnsupportedFormat.
struct SalvagedRows {
  std::uint64_t lsn = 0;
  RowColumns rows;
};
SalvagedRows salvage_rows(FileSystem& files, const Path& path);

// Passes on the entries of every readable record of the log, with the record's LSN. A record that holds no
// entries of this dimension counts as unreadable.
using SeeEntries = std::function<void(std::uint64_t lsn, const std::vector<Decoded>& entries)>;
wal::Salvaged salvage_log(FileSystem& files, const Path& folder, std::size_t dim, const SeeEntries& see);

}  // namespace engram::engine
