// The file that says which rows of the segments are dead, `tiers-N.dead`: docs/format-store.md gives the
// bytes.
//
// Thread-safety: none needed; one thread writes or reads a file.
//
// Invariants: read_tombstones() returns exactly what was written, or throws.
#pragma once

#include <cstdint>
#include <vector>

#include "base/file.h"

namespace engram::engine {

struct Tombstones {
  std::uint64_t segment;        // its number
  std::uint64_t rows;           // how many it has
  std::vector<std::byte> dead;  // one bit a row, the lowest bit of a byte first
};

Path tombstones_path(const Path& folder, std::uint64_t generation);

void write_tombstones(FileSystem& files, const Path& path, const std::vector<Tombstones>& all);

// Errors: CorruptionError, UnsupportedFormat.
std::vector<Tombstones> read_tombstones(FileSystem& files, const Path& path);

}  // namespace engram::engine
