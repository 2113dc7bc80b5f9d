// The file of the hot tier's rows in a checkpoint: the id and confidence of every slot that was alive at its
// LSN. docs/format-store.md gives the bytes.
//
// Thread-safety: none needed; one thread writes or reads a file.
//
// Invariants: read_rows() returns exactly what was written, or throws; ids are 1 to kMaxIdBytes long.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "hnsw/graph.h"

namespace engram::engine {

struct RowColumns {
  std::vector<hnsw::Slot> slots;
  std::vector<double> confidences;
  std::vector<std::uint16_t> id_sizes;
  std::vector<char> id_bytes;  // one id after another

  void add(hnsw::Slot slot, std::string_view id, double confidence);
  std::size_t size() const { return slots.size(); }
};

// `lsn`: everything below it is in the checkpoint.
void write_rows(File& file, std::uint64_t lsn, const RowColumns& rows);

// Errors: CorruptionError (damaged, or of another LSN than `lsn`), UnsupportedFormat.
RowColumns read_rows(const File& file, const Path& path, std::uint64_t lsn);

}  // namespace engram::engine
