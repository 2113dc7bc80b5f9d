#include "wal/reader.h"

#include <algorithm>

#include "base/crc32c.h"

namespace engram::wal {

SegmentReader::End SegmentReader::read(Lsn from, Lsn limit, const Replay& replay) const {
  End end{.lsn = header_.base,
          .synced = header_.synced,
          .offset = kSegmentHeaderBytes,
          .checksums = std::nullopt};
  while (end.lsn < limit && end.offset < bytes_.size()) {
    const std::optional<GroupHeader> group = decode_group(bytes_.subspan(end.offset), header_.epoch);
    if (!group || group->first != end.lsn) break;
    end.synced = std::max(end.synced, group->synced);
    if (!read_group(*group, from, limit, replay, end)) break;
  }
  return end;
}

// False when reading must stop there; `end` says where that is.
bool SegmentReader::read_group(const GroupHeader& group, Lsn from, Lsn limit, const Replay& replay,
                               End& end) const {
  end.offset += kGroupHeaderBytes;
  std::uint64_t left = group.bytes;
  for (std::uint32_t i = 0; i < group.records && end.lsn < limit; ++i) {
    const std::uint64_t there = bytes_.size() - end.offset;
    if (left < kRecordHeaderBytes || there < kRecordHeaderBytes) return false;
    const RecordHeader record = decode_record(bytes_.data() + end.offset);
    const std::uint64_t size = record_bytes(record.length);
    if (record.lsn != end.lsn || size > left || size > there) return false;
    const Bytes payload = bytes_.subspan(end.offset + kRecordHeaderBytes, record.length);
    const std::uint32_t sum = record_checksum(crc32c(0, payload), header_.epoch, record.lsn, record.length);
    if (sum != record.checksum) {
      end.checksums = {record.checksum, sum};
      return false;
    }
    if (size > limit - end.lsn) {
      end.crossed = true;
      return false;
    }
    if (end.lsn >= from) replay({record.lsn, payload, 0});
    end.lsn += size;
    end.offset += size;
    left -= size;
  }
  return left == 0;
}

std::uint64_t SegmentReader::offset_of_group(Lsn lsn) const {
  std::uint64_t offset = kSegmentHeaderBytes;
  for (;;) {
    const std::optional<GroupHeader> group = decode_group(bytes_.subspan(offset), header_.epoch);
    if (!group || lsn < group->first + group->bytes) return offset;
    offset += kGroupHeaderBytes + group->bytes;
  }
}

std::optional<Lsn> SegmentReader::find_synced_beyond(Lsn lsn, std::uint64_t offset) const {
  for (offset = padded(offset); offset + kGroupHeaderBytes <= bytes_.size(); offset += kAlignment) {
    const std::optional<GroupHeader> group = decode_group(bytes_.subspan(offset), header_.epoch);
    if (group && group->synced > lsn) return group->synced;
  }
  return std::nullopt;
}

}  // namespace engram::wal
