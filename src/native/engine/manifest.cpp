#include "engine/manifest.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/head.h"
#include "simd/kernels.h"

namespace engram::engine {
namespace {

constexpr std::uint64_t kMagic = 0x4E414D4D4152474Eull;  // "NGRAMMAN", little-endian
constexpr HeadLayout kHead{kMagic, kFormatVersion, 48};
constexpr std::size_t kVersionEnd = 12;
constexpr std::size_t kHeadBytes = 56;  // all there was in version 1
constexpr std::size_t kBodyCrcAt = 52;
constexpr std::size_t kMostBytes = 1u << 20;  // many times more than compaction lets the list grow to

std::vector<std::byte> encode_body(const Manifest& manifest) {
  std::vector<std::byte> bytes;
  ByteWriter writer(bytes);
  writer.put(manifest.next_segment);
  writer.put(manifest.segments_lsn);
  writer.put(manifest.tombstones);
  writer.put(std::uint64_t{manifest.segments.size()});
  for (const SegmentName& segment : manifest.segments) {
    writer.put(segment.number);
    writer.put(static_cast<std::uint64_t>(segment.kind));
  }
  return bytes;
}

std::vector<std::byte> encode(const Manifest& manifest) {
  const std::vector<std::byte> body = encode_body(manifest);
  std::vector<std::byte> bytes;
  ByteWriter writer(bytes);
  writer.put(kMagic);
  writer.put(kFormatVersion);
  writer.put(manifest.dim);
  writer.put(static_cast<std::uint32_t>(manifest.metric));
  writer.put(std::uint32_t{0});
  writer.put(manifest.hash_seed);
  writer.put(manifest.generation);
  writer.put(manifest.checkpoint_lsn);
  writer.put(crc32c(0, bytes));
  writer.put(crc32c(0, body));
  writer.put_bytes(body);
  return bytes;
}

[[noreturn]] void refuse(const Path& path, std::uint64_t offset, const std::string& what) {
  throw CorruptionError(
      path.string(), offset,
      "the manifest " + path.string() + " is damaged: " + what + "; run `engram repair` to write it anew");
}

bool plausible(const Manifest& manifest) {
  std::uint64_t last = 0;
  for (const SegmentName& segment : manifest.segments) {
    const bool known = segment.kind == tier::Kind::kWarm || segment.kind == tier::Kind::kCold;
    if (!known || segment.number <= last || segment.number >= manifest.next_segment) return false;
    last = segment.number;
  }
  return manifest.segments.empty() || manifest.tombstones != 0;
}

void decode_body(const Path& path, Bytes bytes, Manifest& manifest) {
  ByteReader reader(bytes);
  manifest.next_segment = reader.get<std::uint64_t>();
  manifest.segments_lsn = reader.get<std::uint64_t>();
  manifest.tombstones = reader.get<std::uint64_t>();
  for (auto left = reader.get<std::uint64_t>(); left > 0 && reader.ok(); --left) {
    const auto number = reader.get<std::uint64_t>();
    const auto kind = reader.get<std::uint64_t>();
    manifest.segments.push_back({number, static_cast<tier::Kind>(kind)});
  }
  if (!reader.ok() || reader.left() != 0) refuse(path, kHeadBytes, "its list of segments is cut off");
  if (!plausible(manifest)) refuse(path, kHeadBytes, "its list of segments is impossible");
}

Manifest decode(const Path& path, Bytes bytes) {
  if (const char* const fault = fault_of_head(bytes, kHead, path)) refuse(path, 0, fault);
  if (bytes.size() < kHeadBytes) refuse(path, bytes.size(), "its length is wrong");
  if (crc32c(0, bytes.subspan(kHeadBytes)) != load_le<std::uint32_t>(bytes.data() + kBodyCrcAt)) {
    refuse(path, kBodyCrcAt, "the checksum of its list of segments is wrong");
  }
  ByteReader reader(bytes);
  reader.get_bytes(kVersionEnd);
  Manifest manifest;
  manifest.dim = reader.get<std::uint32_t>();
  const auto metric = reader.get<std::uint32_t>();
  reader.get<std::uint32_t>();
  manifest.hash_seed = reader.get<std::uint64_t>();
  manifest.generation = reader.get<std::uint64_t>();
  manifest.checkpoint_lsn = reader.get<std::uint64_t>();
  if (bytes.size() > kHeadBytes) decode_body(path, bytes.subspan(kHeadBytes), manifest);
  if (manifest.dim == 0 || manifest.dim > simd::kMaxDimension || metric > 2) {
    refuse(path, 12, "its dimension or metric is impossible");
  }
  manifest.metric = static_cast<hnsw::Metric>(metric);
  return manifest;
}

}  // namespace

Path manifest_path(const Path& folder) {
  return folder / "manifest";
}
Path lock_path(const Path& folder) {
  return folder / "lock";
}
Path log_path(const Path& folder) {
  return folder / "wal";
}

Path half_repaired_path(const Path& folder) {
  return folder / "repair.ready" / "manifest";
}

Path graph_path(const Path& folder, std::uint64_t generation) {
  return folder / ("hot-" + std::to_string(generation) + ".graph");
}

Path rows_path(const Path& folder, std::uint64_t generation) {
  return folder / ("hot-" + std::to_string(generation) + ".rows");
}

Path segment_path(const Path& folder, const SegmentName& segment) {
  const char* const ending = segment.kind == tier::Kind::kWarm ? ".warm" : ".cold";
  return folder / ("seg-" + std::to_string(segment.number) + ending);
}

std::optional<Manifest> read_manifest(FileSystem& files, const Path& folder) {
  const Path path = manifest_path(folder);
  if (!files.exists(path)) return std::nullopt;
  const std::unique_ptr<File> file = files.open(path, OpenMode::kRead);
  std::vector<std::byte> bytes(std::min<std::uint64_t>(file->size(), kMostBytes + 1));
  bytes.resize(file->read_at(0, bytes));
  return decode(path, bytes);
}

void write_manifest(FileSystem& files, const Path& folder, const Manifest& manifest) {
  const std::vector<std::byte> bytes = encode(manifest);
  write_atomically(files, manifest_path(folder), [&](File& file) {
    const std::array<Bytes, 1> parts{Bytes(bytes)};
    file.write_at(0, parts);
  });
}

void refuse_lost_manifest(const Path& folder, const std::string& proof) {
  const std::string path = manifest_path(folder).string();
  throw CorruptionError(path, 0,
                        "the manifest " + path + " is missing, though " + proof +
                            "; restore it from a backup, or run `engram repair` with --dim and --metric");
}

bool proves_a_store(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kLater{"hot-", "seg-", "tiers-", "activation"};
  return std::any_of(kLater.begin(), kLater.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

void check_creatable(FileSystem& files, const Path& folder) {
  static constexpr std::array<std::string_view, 7> kOurs{"lock",
                                                         "manifest.tmp",
                                                         "wal",
                                                         "catalog.sqlite",
                                                         "catalog.sqlite-wal",
                                                         "catalog.sqlite-shm",
                                                         "catalog.sqlite-journal"};
  const std::vector<std::string> names = files.list(folder);
  const bool begun = files.exists(lock_path(folder));  // looked at after the others, made before them
  for (const std::string& name : names) {
    if (begun && std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) continue;
    // Another process has created the store while we looked: whether it may be opened its lock says.
    if (files.exists(manifest_path(folder))) return;
    if (begun && proves_a_store(name)) refuse_lost_manifest(folder, "there is " + name);
    throw InvalidInput(folder.string() + " is not an Engram store and is not empty (it holds " + name +
                       "): name an empty folder or one that does not exist yet");
  }
}

}  // namespace engram::engine
