// A fuzz target (libFuzzer, or tests/fuzz_main.cpp) for what reads a store's own files and records: the
// payload of a log record, the manifest, the rows of a checkpoint, the dead rows of the segments. Whatever
// the bytes, they are refused as corrupt or newer, or they are exactly what writing the result again gives.
//
// The first byte of the input chooses the reader; the rest is a list of edits to a real file. An edit may put
// the checksums right, for no mutation finds them.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/fault_file.h"
#include "engine/entry.h"
#include "engine/manifest.h"
#include "engine/rows_file.h"
#include "engine/tombstones.h"

namespace engram::engine {
namespace {

constexpr std::size_t kDim = 3;
constexpr std::uint64_t kLsn = 4096;
const Path kFile = "/file";

using Contents = std::vector<std::byte>;

[[noreturn]] void complain(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void put_file(FileSystem& files, const Path& path, Bytes bytes) {
  files.open(path, OpenMode::kOpenOrCreate)->write_at(0, std::array<Bytes, 1>{bytes});
}

Contents file_bytes(FileSystem& files, const Path& path) {
  const std::unique_ptr<File> file = files.open(path, OpenMode::kRead);
  Contents bytes(file->size());
  bytes.resize(file->read_at(0, bytes));
  return bytes;
}

// Overwrites, cuts and lengthens `bytes` as the input says; true when it asks for right checksums.
bool edit(Contents& bytes, ByteReader& input) {
  bool right = false;
  while (input.left() > 0 && input.ok()) {
    const auto how = input.get<std::uint8_t>();
    const auto at = input.get<std::uint16_t>() % (bytes.size() + 8);
    const Bytes with = input.get_bytes(std::min<std::size_t>(how >> 4, input.left()));
    if (at + with.size() > bytes.size() && (how & 4) != 0) bytes.resize(at + with.size());
    for (std::size_t i = 0; i < with.size() && at + i < bytes.size(); ++i) bytes[at + i] = with[i];
    if ((how & 8) != 0 && at < bytes.size()) bytes.resize(at);
    right = right || (how & 1) != 0;
  }
  return right;
}

void put_checksum(Contents& bytes, std::size_t at) {
  if (at + 4 <= bytes.size()) store_le(bytes.data() + at, crc32c(0, Bytes(bytes).first(at)));
}

// Calls `read`; false when the bytes were refused as they may be.
template <class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (const CorruptionError&) {
  } catch (const UnsupportedFormat&) {
  }
  return false;
}

// -- the payload of a record

Contents real_payload() {
  static constexpr std::array<float, kDim> kVector{1, 2, 3};
  Contents payload;
  Entry entry;
  entry.id = "an id";
  entry.vector = reinterpret_cast<const std::byte*>(kVector.data());
  entry.content = "some text";
  entry.metadata = "{\"a\":1}";
  encode(entry, kDim, payload);
  entry.id = "another";
  entry.metadata.reset();
  encode(entry, kDim, payload);
  return payload;
}

void check_payload(ByteReader& input) {
  static const Contents original = real_payload();
  Contents bytes = original;
  edit(bytes, input);
  std::vector<Decoded> entries;
  if (!accepts([&] { entries = decode(bytes, kDim, kFile); })) return;
  Contents again;
  for (const Decoded& decoded : entries) {
    if (decoded.offset != again.size()) complain("an entry is not where it was read");
    encode(decoded.entry, kDim, again);
  }
  if (again != bytes) complain("a payload was accepted that encode() does not write");
}

// -- the manifest

void check_manifest(ByteReader& input) {
  constexpr std::size_t kChecksumAt = 48;
  FaultFileSystem files;
  Manifest manifest;
  manifest.dim = kDim;
  manifest.hash_seed = 7;
  manifest.generation = 2;
  manifest.checkpoint_lsn = kLsn;
  write_manifest(files, "/", manifest);
  Contents bytes = file_bytes(files, manifest_path("/"));
  if (edit(bytes, input)) put_checksum(bytes, kChecksumAt);
  FaultFileSystem edited;
  put_file(edited, manifest_path("/"), bytes);
  std::optional<Manifest> read;
  if (!accepts([&] { read = read_manifest(edited, "/"); })) return;
  if (!read) complain("a manifest that is there was not found");
  write_manifest(edited, "/", *read);
  if (accepts([&] { read = read_manifest(edited, "/"); })) return;
  complain("what was read of a manifest cannot be written");
}

// -- the rows of a checkpoint

Contents real_rows() {
  FaultFileSystem files;
  RowColumns rows;
  for (hnsw::Slot slot = 0; slot < 5; ++slot) rows.add(slot, "id " + std::to_string(slot), 0.5);
  write_rows(*files.open(kFile, OpenMode::kCreate), kLsn, rows);
  return file_bytes(files, kFile);
}

void check_rows(ByteReader& input) {
  constexpr std::size_t kHeadBytes = 48;
  constexpr std::size_t kBodyChecksumAt = 12;
  static const Contents original = real_rows();
  Contents bytes = original;
  if (edit(bytes, input) && bytes.size() >= kHeadBytes) {
    store_le(bytes.data() + kBodyChecksumAt, crc32c(0, Bytes(bytes).subspan(kHeadBytes)));
    put_checksum(bytes, kHeadBytes - 8);
  }
  FaultFileSystem files;
  put_file(files, kFile, bytes);
  RowColumns rows;
  if (!accepts([&] { rows = read_rows(*files.open(kFile, OpenMode::kRead), kFile, kLsn); })) return;
  FaultFileSystem again;
  write_rows(*again.open(kFile, OpenMode::kCreate), kLsn, rows);
  if (Contents written = file_bytes(again, kFile);
      !std::equal(written.begin() + kHeadBytes, written.end(), bytes.begin() + kHeadBytes, bytes.end())) {
    complain("rows were accepted that write_rows() does not write");
  }
}

// -- the dead rows of the segments

Contents real_tombstones() {
  FaultFileSystem files;
  write_tombstones(files, kFile,
                   {{.segment = 3, .rows = 70, .dead = Contents(9, std::byte{0x21})},
                    {.segment = 9, .rows = 8, .dead = Contents(1, std::byte{0x80})}});
  return file_bytes(files, kFile);
}

void check_tombstones(ByteReader& input) {
  constexpr std::size_t kHeadBytes = 32;
  constexpr std::size_t kBodyChecksumAt = 12;
  constexpr std::size_t kHeadChecksumAt = 24;
  static const Contents original = real_tombstones();
  Contents bytes = original;
  if (edit(bytes, input) && bytes.size() >= kHeadBytes) {
    store_le(bytes.data() + kBodyChecksumAt, crc32c(0, Bytes(bytes).subspan(kHeadBytes)));
    put_checksum(bytes, kHeadChecksumAt);
  }
  FaultFileSystem files;
  put_file(files, kFile, bytes);
  std::vector<Tombstones> all;
  if (!accepts([&] { all = read_tombstones(files, kFile); })) return;
  for (const Tombstones& each : all) {
    if (each.dead.size() != each.rows / 8 + (each.rows % 8 != 0 ? 1 : 0)) {
      complain("dead rows were accepted that are not one bit a row");
    }
  }
  FaultFileSystem again;
  write_tombstones(again, kFile, all);
  // Padding aside, which is not believed to be zeros.
  if (file_bytes(again, kFile).size() != bytes.size())
    complain("dead rows were accepted that write_tombstones() does not write");
}

}  // namespace
}  // namespace engram::engine

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  engram::ByteReader input(std::as_bytes(std::span(data, size)));
  switch (input.get<std::uint8_t>() % 4) {
    case 0:
      engram::engine::check_payload(input);
      break;
    case 1:
      engram::engine::check_manifest(input);
      break;
    case 2:
      engram::engine::check_rows(input);
      break;
    default:
      engram::engine::check_tombstones(input);
  }
  return 0;
}
