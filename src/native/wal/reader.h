// Reads the records of one segment from its bytes, and tells a torn tail from damage.
//
// Thread-safety: values; no shared state.
//
// Invariants:
//  (1) A record is passed on only if its group's header and its own checksum hold, and only in LSN order
//      without a gap: whatever the bytes, what comes out is a prefix of what went in.
//  (2) Nothing is read outside the bytes, whatever they hold.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "wal/format.h"

namespace engram::wal {

class SegmentReader {
 public:
  // Where reading stopped, and why.
  struct End {
    Lsn lsn;               // all below was read
    Lsn synced;            // all below is proven to have been on stable storage
    std::uint64_t offset;  // in the file: of the header or record that could not be read
    bool crossed = false;  // a record reaches over the limit
    // What a record that is otherwise in place says its checksum is, and what it should be.
    std::optional<std::pair<std::uint32_t, std::uint32_t>> checksums;
  };

  // `bytes`: the whole file, behind whose good header `header` is.
  SegmentReader(Bytes bytes, const SegmentHeader& header) : bytes_(bytes), header_(header) {}

  // Checks the records below `limit` and passes on those with lsn >= `from`.
  End read(Lsn from, Lsn limit, const Replay& replay) const;

  // Where in the file the group begins that holds `lsn`, one that read() has read.
  std::uint64_t offset_of_group(Lsn lsn) const;

  // The LSN below which a group at or after `offset` says all was synced, if one says more than `lsn`.
  std::optional<Lsn> find_synced_beyond(Lsn lsn, std::uint64_t offset) const;

 private:
  bool read_group(const GroupHeader& group, Lsn from, Lsn limit, const Replay& replay, End& end) const;

  Bytes bytes_;
  SegmentHeader header_;
};

}  // namespace engram::wal
