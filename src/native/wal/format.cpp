#include "wal/format.h"

#include <array>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace engram::wal {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x474F4C4D52474E45;  // "ENGRMLOG"
constexpr std::uint32_t kGroupMagic = 0x70726745;            // "Egrp"
constexpr std::size_t kSegmentChecksumAt = 60;
constexpr std::size_t kGroupChecksumAt = 4;

// Over the header with the field of the checksum itself left out.
std::uint32_t group_checksum(const std::byte* at) {
  const std::uint32_t magic = crc32c(0, {at, kGroupChecksumAt});
  return crc32c(magic, {at + kGroupChecksumAt + 4, kGroupHeaderBytes - kGroupChecksumAt - 4});
}

}  // namespace

void encode(const SegmentHeader& header, std::byte* at) {
  store_le(at, kSegmentMagic);
  store_le(at + 8, kFormatVersion);
  store_le(at + 12, std::uint32_t{0});
  store_le(at + 16, header.log_id);
  store_le(at + 24, header.epoch);
  store_le(at + 32, header.sequence);
  store_le(at + 36, header.previous);
  store_le(at + 40, header.base);
  store_le(at + 48, header.synced);
  store_le(at + 56, std::uint32_t{0});
  store_le(at + kSegmentChecksumAt, crc32c(0, {at, kSegmentChecksumAt}));
}

HeadState decode(Bytes bytes, SegmentHeader& header) {
  const HeadState state = judge_head(bytes, {kSegmentMagic, kFormatVersion, kSegmentChecksumAt});
  if (state != HeadState::kGood) return state;
  const std::byte* at = bytes.data();
  header.log_id = load_le<std::uint64_t>(at + 16);
  header.epoch = load_le<std::uint64_t>(at + 24);
  header.sequence = load_le<std::uint32_t>(at + 32);
  header.previous = load_le<std::uint32_t>(at + 36);
  header.base = load_le<std::uint64_t>(at + 40);
  header.synced = load_le<std::uint64_t>(at + 48);
  return state;
}

void encode(const GroupHeader& header, std::byte* at) {
  store_le(at, kGroupMagic);
  store_le(at + 8, header.epoch);
  store_le(at + 16, header.first);
  store_le(at + 24, header.synced);
  store_le(at + 32, header.bytes);
  store_le(at + 36, header.records);
  store_le(at + kGroupChecksumAt, group_checksum(at));
}

std::optional<GroupHeader> decode_group(Bytes bytes, std::uint64_t epoch) {
  if (bytes.size() < kGroupHeaderBytes) return std::nullopt;
  const std::byte* at = bytes.data();
  if (load_le<std::uint32_t>(at) != kGroupMagic) return std::nullopt;
  if (load_le<std::uint64_t>(at + 8) != epoch) return std::nullopt;
  if (load_le<std::uint32_t>(at + kGroupChecksumAt) != group_checksum(at)) return std::nullopt;
  GroupHeader header;
  header.epoch = epoch;
  header.first = load_le<std::uint64_t>(at + 16);
  header.synced = load_le<std::uint64_t>(at + 24);
  header.bytes = load_le<std::uint32_t>(at + 32);
  header.records = load_le<std::uint32_t>(at + 36);
  return header;
}

void encode(const RecordHeader& header, std::byte* at) {
  store_le(at, header.checksum);
  store_le(at + 4, header.length);
  store_le(at + 8, header.lsn);
}

RecordHeader decode_record(const std::byte* at) {
  return {load_le<std::uint32_t>(at), load_le<std::uint32_t>(at + 4), load_le<std::uint64_t>(at + 8)};
}

std::uint32_t record_checksum(std::uint32_t payload_checksum, std::uint64_t epoch, Lsn lsn,
                              std::uint32_t length) {
  std::array<std::byte, 20> place;
  store_le(place.data(), epoch);
  store_le(place.data() + 8, lsn);
  store_le(place.data() + 16, length);
  return crc32c(payload_checksum, place);
}

}  // namespace engram::wal
