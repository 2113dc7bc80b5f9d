#include "engine/manifest.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "engine/temporary_folder.h"

namespace engram::engine {
namespace {

std::string slurp(const Path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void spill(const Path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

Manifest example() {
  Manifest manifest;
  manifest.dim = 384;
  manifest.metric = hnsw::Metric::kIp;
  manifest.hash_seed = 0x0123456789ABCDEFu;
  manifest.generation = 3;
  manifest.checkpoint_lsn = 4096;
  manifest.next_segment = 12;
  manifest.segments_lsn = 4000;
  manifest.tombstones = 5;
  manifest.segments = {{3, tier::Kind::kWarm}, {11, tier::Kind::kCold}};
  return manifest;
}

TEST(Manifest, ComesBackAsItWasWritten) {
  const TemporaryFolder folder;
  EXPECT_FALSE(read_manifest(FileSystem::system(), folder.path()).has_value());
  write_manifest(FileSystem::system(), folder.path(), example());
  const std::optional<Manifest> read = read_manifest(FileSystem::system(), folder.path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->dim, 384u);
  EXPECT_EQ(read->metric, hnsw::Metric::kIp);
  EXPECT_EQ(read->hash_seed, 0x0123456789ABCDEFu);
  EXPECT_EQ(read->generation, 3u);
  EXPECT_EQ(read->checkpoint_lsn, 4096u);
  EXPECT_EQ(read->next_segment, 12u);
  EXPECT_EQ(read->segments_lsn, 4000u);
  EXPECT_EQ(read->tombstones, 5u);
  EXPECT_EQ(read->segments, example().segments);
}

TEST(Manifest, OneOfVersion1IsReadAndHasNoSegments) {
  const TemporaryFolder folder;
  write_manifest(FileSystem::system(), folder.path(), example());
  std::string bytes = slurp(manifest_path(folder.path())).substr(0, 56);
  bytes[8] = 1;
  const Bytes head = std::as_bytes(std::span(bytes).first(48));
  store_le(reinterpret_cast<std::byte*>(bytes.data()) + head.size(), crc32c(0, head));
  store_le(reinterpret_cast<std::byte*>(bytes.data()) + 52, std::uint32_t{0});
  spill(manifest_path(folder.path()), bytes);
  const std::optional<Manifest> read = read_manifest(FileSystem::system(), folder.path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->checkpoint_lsn, 4096u);
  EXPECT_EQ(read->next_segment, 1u);
  EXPECT_TRUE(read->segments.empty());
}

TEST(Manifest, ASegmentListThatCannotBeIsRefused) {
  const TemporaryFolder folder;
  using Names = std::vector<SegmentName>;
  const Names twice{{3, tier::Kind::kWarm}, {3, tier::Kind::kCold}};
  const Names beyond{{12, tier::Kind::kWarm}};
  const Names unknown{{3, static_cast<tier::Kind>(7)}};
  for (const Names& names : {twice, beyond, unknown}) {
    Manifest manifest = example();
    manifest.segments = names;
    write_manifest(FileSystem::system(), folder.path(), manifest);
    EXPECT_THROW(read_manifest(FileSystem::system(), folder.path()), CorruptionError);
  }
}

TEST(Manifest, EveryTruncationAndEverySingleBitFlipIsRefused) {
  const TemporaryFolder folder;
  write_manifest(FileSystem::system(), folder.path(), example());
  const Path path = manifest_path(folder.path());
  const std::string whole = slurp(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    spill(path, whole.substr(0, size));
    EXPECT_THROW(read_manifest(FileSystem::system(), folder.path()), CorruptionError) << size;
  }
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    spill(path, flipped);
    EXPECT_THROW(read_manifest(FileSystem::system(), folder.path()), CorruptionError) << bit;
  }
}

TEST(Manifest, ANewerVersionIsNamedAsSuch) {
  const TemporaryFolder folder;
  write_manifest(FileSystem::system(), folder.path(), example());
  std::string bytes = slurp(manifest_path(folder.path()));
  bytes[8] = 3;
  const Bytes head = std::as_bytes(std::span(bytes).first(48));
  store_le(reinterpret_cast<std::byte*>(bytes.data()) + head.size(), crc32c(0, head));
  spill(manifest_path(folder.path()), bytes);
  EXPECT_THROW(read_manifest(FileSystem::system(), folder.path()), UnsupportedFormat);
}

TEST(Manifest, OnlyAnEmptyFolderOrACreationCutShortIsCreatable) {
  const TemporaryFolder folder;
  check_creatable(FileSystem::system(), folder.path());
  spill(folder.path() / "lock", "");
  spill(folder.path() / "manifest.tmp", "half");
  check_creatable(FileSystem::system(), folder.path());
  spill(folder.path() / "thesis.doc", "precious");
  EXPECT_THROW(check_creatable(FileSystem::system(), folder.path()), InvalidInput);
  const TemporaryFolder foreign;
  spill(foreign.path() / "wal", "somebody else's");
  EXPECT_THROW(check_creatable(FileSystem::system(), foreign.path()), InvalidInput);
}

TEST(Manifest, AFolderThatBecomesAStoreMeanwhileIsLeftToTheLock) {
  const TemporaryFolder folder;
  spill(folder.path() / "lock", "123");
  spill(folder.path() / "hot-1.rows", "");
  EXPECT_THROW(check_creatable(FileSystem::system(), folder.path()), CorruptionError);
  write_manifest(FileSystem::system(), folder.path(), example());
  check_creatable(FileSystem::system(), folder.path());
}

}  // namespace
}  // namespace engram::engine
