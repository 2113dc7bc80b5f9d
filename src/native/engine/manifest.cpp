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
constexpr std::size_t kBytes = 56;

std::vector<std::byte> encode(const Manifest& manifest) {
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
  writer.put(std::uint32_t{0});
  return bytes;
}

[[noreturn]] void refuse(const Path& path, std::uint64_t offset, const std::string& what) {
  throw CorruptionError(
      path.string(), offset,
      "the manifest " + path.string() + " is damaged: " + what + "; run `engram repair` to write it anew");
}

Manifest decode(const Path& path, Bytes bytes) {
  if (const char* const fault = fault_of_head(bytes, kHead, path)) refuse(path, 0, fault);
  if (bytes.size() != kBytes) refuse(path, bytes.size(), "its length is wrong");
  ByteReader reader(bytes);
  reader.get_bytes(kVersionEnd);
  Manifest manifest;
  manifest.dim = reader.get<std::uint32_t>();
  const auto metric = reader.get<std::uint32_t>();
  reader.get<std::uint32_t>();
  manifest.hash_seed = reader.get<std::uint64_t>();
  manifest.generation = reader.get<std::uint64_t>();
  manifest.checkpoint_lsn = reader.get<std::uint64_t>();
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

std::optional<Manifest> read_manifest(FileSystem& files, const Path& folder) {
  const Path path = manifest_path(folder);
  if (!files.exists(path)) return std::nullopt;
  const std::unique_ptr<File> file = files.open(path, OpenMode::kRead);
  std::array<std::byte, kBytes + 1> bytes{};  // one more, so that a longer file shows
  const std::size_t size = file->read_at(0, bytes);
  return decode(path, Bytes(bytes).first(size));
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

void check_creatable(FileSystem& files, const Path& folder) {
  static constexpr std::array<std::string_view, 7> kOurs{"lock",
                                                         "manifest.tmp",
                                                         "wal",
                                                         "catalog.sqlite",
                                                         "catalog.sqlite-wal",
                                                         "catalog.sqlite-shm",
                                                         "catalog.sqlite-journal"};
  const std::vector<std::string> names = files.list(folder);
  const bool begun = std::find(names.begin(), names.end(), "lock") != names.end();
  for (const std::string& name : names) {
    if (begun && name.starts_with("hot-")) refuse_lost_manifest(folder, "there is a checkpoint, " + name);
    if (!begun || std::find(kOurs.begin(), kOurs.end(), name) == kOurs.end()) {
      throw InvalidInput(folder.string() + " is not an Engram store and is not empty (it holds " + name +
                         "): name an empty folder or one that does not exist yet");
    }
  }
}

}  // namespace engram::engine
