// The bytes of a log segment: constants and layouts, as docs/format-log.md tabulates them.
//
//   segment  header (64 bytes), groups, and after the last group anything: zeros, or what the file held
//   group    header (40 bytes), records one after another: what one leader wrote in one call
//   record   header (16 bytes), payload, zeros up to a multiple of 8
//
// Thread-safety: pure functions.
//
// Invariants:
//  (1) Every header and record begins at a multiple of 8, in the file as in LSN space.
//  (2) Records alone take LSN space: a record that ends at byte e of its group ends at LSN first_lsn + e.
//  (3) All checksums cover the segment's epoch, drawn at random for each segment and never used again:
//      bytes a recycled file held before, or a copy of another log, cannot pass for this segment's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/head.h"
#include "wal/types.h"

namespace engram::wal {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kAlignment = 8;
inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kGroupHeaderBytes = 40;
inline constexpr std::size_t kRecordHeaderBytes = 16;
inline constexpr Lsn kFirstLsn = 8;

constexpr std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}
// What a payload of `length` bytes takes in a group, in the ring and in LSN space.
constexpr std::uint64_t record_bytes(std::uint64_t length) {
  return kRecordHeaderBytes + padded(length);
}

struct SegmentHeader {
  std::uint64_t log_id = 0;    // the same in all segments of one log
  std::uint64_t epoch = 0;     // this segment's own
  std::uint32_t sequence = 0;  // the number in its name
  std::uint32_t previous = 0;  // the number of the segment whose records its own follow; 0: none
  Lsn base = 0;                // the LSN of its first record
  Lsn synced = 0;              // all below was on stable storage when this was written
};

struct GroupHeader {
  std::uint64_t epoch = 0;
  Lsn first = 0;              // the LSN of its first record
  Lsn synced = 0;             // all below was on stable storage before this group was written
  std::uint32_t bytes = 0;    // of all its records
  std::uint32_t records = 0;  // 0: only says what is synced (a clean close)
};

struct RecordHeader {
  std::uint32_t checksum = 0;
  std::uint32_t length = 0;  // of the payload
  Lsn lsn = 0;
};

// All three write at `at` and, but for the segment's, take a whole header's bytes to be there.
void encode(const SegmentHeader& header, std::byte* at);
void encode(const GroupHeader& header, std::byte* at);
void encode(const RecordHeader& header, std::byte* at);

// `header` is filled when it is kGood.
HeadState decode(Bytes bytes, SegmentHeader& header);
// Nothing unless `bytes` begins with a whole group header of that epoch.
std::optional<GroupHeader> decode_group(Bytes bytes, std::uint64_t epoch);
RecordHeader decode_record(const std::byte* at);

// The checksum of a record from that of its payload alone: a writer computes the latter before the record has
// a place, and the leader, who alone knows epoch and LSN, completes it.
std::uint32_t record_checksum(std::uint32_t payload_checksum, std::uint64_t epoch, Lsn lsn,
                              std::uint32_t length);

}  // namespace engram::wal
