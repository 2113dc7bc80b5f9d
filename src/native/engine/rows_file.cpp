#include "engine/rows_file.h"

#include <array>
#include <numeric>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/head.h"
#include "engine/entry.h"

namespace engram::engine {
namespace {

constexpr std::uint64_t kMagic = 0x53574F524D41524Eull;  // "NRAMROWS", little-endian
constexpr std::uint32_t kVersion = 1;
constexpr HeadLayout kHead{kMagic, kVersion, 40};
constexpr std::size_t kVersionEnd = 12;
constexpr std::size_t kHeaderBytes = 48;

template <class T>
Bytes bytes_of(const std::vector<T>& column) {
  return std::as_bytes(std::span(column));
}

[[noreturn]] void refuse(const Path& path, std::uint64_t offset, const std::string& what) {
  throw CorruptionError(path.string(), offset,
                        "the checkpoint file " + path.string() + " is damaged: " + what +
                            "; run `engram repair` to rebuild it from what is whole");
}

struct Header {
  std::uint64_t lsn = 0;
  std::uint64_t count = 0;
  std::uint64_t id_bytes = 0;
  std::uint32_t body_crc = 0;
};

std::vector<std::byte> encode(const Header& header) {
  std::vector<std::byte> bytes;
  ByteWriter writer(bytes);
  writer.put(kMagic);
  writer.put(kVersion);
  writer.put(header.body_crc);
  writer.put(header.lsn);
  writer.put(header.count);
  writer.put(header.id_bytes);
  writer.put(crc32c(0, bytes));
  writer.put(std::uint32_t{0});
  return bytes;
}

Header decode(Bytes bytes, const Path& path) {
  if (const char* const fault = fault_of_head(bytes, kHead, path)) refuse(path, 0, fault);
  ByteReader reader(bytes);
  reader.get_bytes(kVersionEnd);
  Header header;
  header.body_crc = reader.get<std::uint32_t>();
  header.lsn = reader.get<std::uint64_t>();
  header.count = reader.get<std::uint64_t>();
  header.id_bytes = reader.get<std::uint64_t>();
  return header;
}

template <class T>
void take(ByteReader& reader, std::vector<T>& column, std::size_t count) {
  column.resize(count);
  const Bytes bytes = reader.get_bytes(count * sizeof(T));
  if (!bytes.empty()) std::memcpy(column.data(), bytes.data(), bytes.size());
}

// The ids' lengths must make up their bytes: what follows trusts them.
void check_ids(const RowColumns& rows, const Path& path) {
  std::size_t total = 0;
  for (const std::uint16_t size : rows.id_sizes) {
    if (size == 0 || size > kMaxIdBytes) refuse(path, kHeaderBytes, "an id has an impossible length");
    total += size;
  }
  if (total != rows.id_bytes.size()) refuse(path, kHeaderBytes, "its ids are not as long as it says");
}

}  // namespace

void RowColumns::add(hnsw::Slot slot, std::string_view id, double confidence) {
  slots.push_back(slot);
  confidences.push_back(confidence);
  id_sizes.push_back(static_cast<std::uint16_t>(id.size()));
  id_bytes.insert(id_bytes.end(), id.begin(), id.end());
}

void write_rows(File& file, std::uint64_t lsn, const RowColumns& rows) {
  Header header;
  header.lsn = lsn;
  header.count = rows.size();
  header.id_bytes = rows.id_bytes.size();
  const std::array<Bytes, 4> body{bytes_of(rows.slots), bytes_of(rows.confidences), bytes_of(rows.id_sizes),
                                  bytes_of(rows.id_bytes)};
  for (const Bytes part : body) header.body_crc = crc32c(header.body_crc, part);
  const std::vector<std::byte> head = encode(header);
  const std::array<Bytes, 5> parts{Bytes(head), body[0], body[1], body[2], body[3]};
  file.write_at(0, parts);
}

RowColumns read_rows(const File& file, const Path& path, std::uint64_t lsn) {
  const std::unique_ptr<Mapping> mapping = file.map();
  const Bytes bytes = mapping->bytes();
  if (bytes.size() < kHeaderBytes) refuse(path, bytes.size(), "it is shorter than its header");
  const Header header = decode(bytes.first(kHeaderBytes), path);
  if (header.lsn != lsn) refuse(path, 16, "it belongs to another checkpoint");
  constexpr std::uint64_t kFixed = sizeof(hnsw::Slot) + sizeof(double) + sizeof(std::uint16_t);
  if (header.count > bytes.size() / kFixed ||
      header.count * kFixed + header.id_bytes != bytes.size() - kHeaderBytes) {
    refuse(path, 24, "its length is wrong");
  }
  const Bytes body = bytes.subspan(kHeaderBytes);
  if (crc32c(0, body) != header.body_crc) refuse(path, kHeaderBytes, "its checksum is wrong");
  RowColumns rows;
  ByteReader reader(body);
  take(reader, rows.slots, header.count);
  take(reader, rows.confidences, header.count);
  take(reader, rows.id_sizes, header.count);
  take(reader, rows.id_bytes, header.id_bytes);
  check_ids(rows, path);
  return rows;
}

}  // namespace engram::engine
