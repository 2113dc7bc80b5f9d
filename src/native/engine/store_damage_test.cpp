// A whole store of which one bit is flipped, one file is cut short or missing: what opens is the state after
// a prefix of what was done, bit for bit, or opening is refused as corruption. Never a crash, never another
// vector or id.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "engine/manifest.h"
#include "engine/store_testing.h"

namespace engram::engine {
namespace {

const Path kStore = "/data/store";

// Whether to try all there is, or (in the short run, which three sanitizers repeat) a share of it.
bool tries_all() {
  static const bool all = std::getenv("ENGRAM_LONG_TESTS") != nullptr;
  return all;
}

// How far apart the bytes are that are tried. A file of a lower tier has many pages, and the tier room's own
// tests flip and cut all of them (tier/segment_damage_test.cpp).
std::size_t step_of(const Path& path) {
  const bool of_lower_tier = path.extension() == ".warm" || path.extension() == ".cold";
  return of_lower_tier && !tries_all() ? 122 : 1;
}

// A store with a checkpoint, segments and a log behind them, as a kill leaves it.
struct Damaged {
  std::vector<Operation> operations = scenario(5);
  std::unique_ptr<FaultFileSystem> files;
  std::vector<Path> paths;  // of all files but the lock

  Damaged() {
    FaultFileSystem living;
    living.make_folder("/data");
    const std::unique_ptr<Store> store = open(living, wal::Sync::kAlways);
    for (const Operation& operation : operations) operation.apply(*store);
    files = living.after_kill();
    for (const Path& folder : {kStore, log_path(kStore)}) {
      for (const std::string& name : files->list(folder)) {
        if (name != "wal" && name != "lock") paths.push_back(folder / name);
      }
    }
  }

  // Up to where a file holds anything: segments are reserved ahead of what is written.
  std::size_t used(const Path& path) const {
    const std::unique_ptr<File> file = files->open(path, OpenMode::kRead);
    std::vector<std::byte> bytes(file->size());
    file->read_at(0, bytes);
    while (!bytes.empty() && bytes.back() == std::byte{0}) bytes.pop_back();
    return bytes.size();
  }

  // What opens of `damaged`; nothing when it is refused.
  std::optional<std::size_t> opened(FileSystem& damaged, const Path& path) const {
    try {
      const std::unique_ptr<Store> store = open(damaged, wal::Sync::kAlways);
      store->verify();
      const std::optional<std::size_t> prefix = prefix_of(*store, operations);
      EXPECT_TRUE(prefix.has_value()) << "the store holds what no prefix of the operations gives";
      return prefix;
    } catch (const CorruptionError& error) {
      EXPECT_FALSE(error.file.empty()) << path;
      EXPECT_NE(std::string(error.what()).find("engram repair"), std::string::npos) << error.what();
      return std::nullopt;
    }
  }
};

bool is_segment(const Path& path) {
  return path.extension() == ".wal";
}

// Without it memories begin anew to be more or less alive.
bool is_activation(const Path& path) {
  return path.filename() == "activation";
}

// One test a bit: all of them take an hour of one processor, and tests run side by side.
class Flipped : public testing::TestWithParam<unsigned> {};

TEST_P(Flipped, EverySingleBitFlipIsHarmlessOrRefused) {
  const Damaged made;
  const unsigned bit = GetParam();
  std::size_t refused = 0;
  for (const Path& path : made.paths) {
    const std::size_t bytes = made.used(path);
    for (std::size_t byte = 0; byte < bytes; byte += step_of(path)) {
      if (!tries_all() && (byte % 2 != 0 || bit != byte / 2 % 8)) continue;
      SCOPED_TRACE(path.string() + ", byte " + std::to_string(byte) + ", bit " + std::to_string(bit));
      const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
      files->flip(path, byte, bit);
      const std::optional<std::size_t> prefix = made.opened(*files, path);
      refused += !prefix;
      // Only the last group of a log that was not closed may be taken for a torn tail.
      if (prefix && !is_segment(path)) {
        ASSERT_EQ(*prefix, made.operations.size());
      }
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(refused, 60u);
}
INSTANTIATE_TEST_SUITE_P(StoreDamage, Flipped, testing::Range(0U, 8U));

TEST(StoreDamage, EveryTruncationIsAPrefixOrRefused) {
  const Damaged made;
  for (const Path& path : made.paths) {
    const std::size_t bytes = made.used(path);
    for (std::size_t size = 0; size < bytes; size += tries_all() ? 1 : 2 + step_of(path)) {
      SCOPED_TRACE(path.string() + ", cut to " + std::to_string(size) + " bytes");
      const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
      files->open(path, OpenMode::kReadWrite)->truncate(size);
      const std::optional<std::size_t> prefix = made.opened(*files, path);
      if (!is_segment(path)) {
        ASSERT_EQ(prefix.has_value(), is_activation(path));
      }
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(StoreDamage, AMissingFileIsRefused) {
  const Damaged made;
  ASSERT_GE(made.paths.size(), 4u);
  for (const Path& path : made.paths) {
    SCOPED_TRACE(path.string());
    const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
    files->remove(path);
    const std::optional<std::size_t> prefix = made.opened(*files, path);
    // The segment that is written last may be lost unnoticed only while nothing in it was proven synced.
    if (!is_segment(path)) {
      EXPECT_EQ(prefix.has_value(), is_activation(path));
    }
  }
}

}  // namespace
}  // namespace engram::engine
