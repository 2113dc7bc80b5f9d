#include "engine/tombstones.h"

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/head.h"

namespace engram::engine {
namespace {

constexpr std::uint64_t kMagic = 0x444145444D41524Eull;  // "NRAMDEAD", little-endian
constexpr std::uint32_t kVersion = 1;
constexpr HeadLayout kHead{kMagic, kVersion, 24};
constexpr std::size_t kHeaderBytes = 32;

[[noreturn]] void refuse(const Path& path, std::uint64_t offset, const std::string& what) {
  throw CorruptionError(path.string(), offset,
                        "the file of dead rows " + path.string() + " is damaged: " + what +
                            "; run `engram repair` to keep what is whole");
}

std::vector<std::byte> encode_head(std::uint64_t count, Bytes body) {
  std::vector<std::byte> head;
  ByteWriter writer(head);
  writer.put(kMagic);
  writer.put(kVersion);
  writer.put(crc32c(0, body));
  writer.put(count);
  writer.put(crc32c(0, head));
  writer.put(std::uint32_t{0});
  return head;
}

// How many segments follow.
std::uint64_t decode_head(Bytes bytes, const Path& path) {
  if (bytes.size() < kHeaderBytes) refuse(path, bytes.size(), "it is shorter than its header");
  if (const char* const fault = fault_of_head(bytes, kHead, path)) refuse(path, 0, fault);
  const auto expected = load_le<std::uint32_t>(bytes.data() + 12);
  if (crc32c(0, bytes.subspan(kHeaderBytes)) != expected) refuse(path, kHeaderBytes, "its checksum is wrong");
  return load_le<std::uint64_t>(bytes.data() + 16);
}

}  // namespace

Path tombstones_path(const Path& folder, std::uint64_t generation) {
  return folder / ("tiers-" + std::to_string(generation) + ".dead");
}

void write_tombstones(FileSystem& files, const Path& path, const std::vector<Tombstones>& all) {
  std::vector<std::byte> body;
  ByteWriter writer(body);
  for (const Tombstones& each : all) {
    writer.put(each.segment);
    writer.put(each.rows);
    writer.put_bytes(each.dead);
    writer.pad_to(8);
  }
  const std::vector<std::byte> head = encode_head(all.size(), body);
  write_atomically(files, path, [&](File& file) {
    const std::array<Bytes, 2> parts{Bytes(head), Bytes(body)};
    file.write_at(0, parts);
  });
}

std::vector<Tombstones> read_tombstones(FileSystem& files, const Path& path) {
  if (!files.exists(path)) refuse(path, 0, "it is missing");
  const std::unique_ptr<Mapping> mapping = files.open(path, OpenMode::kRead)->map();
  const Bytes bytes = mapping->bytes();
  const std::uint64_t count = decode_head(bytes, path);
  std::vector<Tombstones> all;
  ByteReader reader(bytes.subspan(kHeaderBytes));
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    Tombstones each;
    each.segment = reader.get<std::uint64_t>();
    each.rows = reader.get<std::uint64_t>();
    const Bytes dead = reader.get_bytes(each.rows / 8 + (each.rows % 8 != 0 ? 1 : 0));
    each.dead.assign(dead.begin(), dead.end());
    reader.get_bytes((8 - reader.position() % 8) % 8);
    all.push_back(std::move(each));
  }
  if (!reader.ok() || reader.left() != 0) refuse(path, bytes.size(), "its length is wrong");
  return all;
}

}  // namespace engram::engine
