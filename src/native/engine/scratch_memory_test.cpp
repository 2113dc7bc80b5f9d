#include "engine/scratch_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/fault_file.h"
#include "engine/temporary_folder.h"
#include "hnsw/graph.h"

namespace engram::engine {
namespace {

TEST(ScratchMemory, HoldsArraysSideBySideAndLeavesNoFile) {
  const TemporaryFolder folder;
  FileSystem& files = FileSystem::system();
  const Path path = folder.path() / "moving-1.rows";
  {
    ScratchMemory memory(files, path);
    EXPECT_FALSE(files.exists(path));
    ScratchArray<std::uint64_t> first(100'000, &memory);
    ScratchArray<std::uint32_t> second(100'000, &memory);
    EXPECT_TRUE(files.exists(path));
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      first.push_back(std::uint64_t{i} << 32);
      second.push_back(~i);
    }
    ASSERT_EQ(first.all().size(), 100'000U);
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      ASSERT_EQ(first.all()[i], std::uint64_t{i} << 32);
      ASSERT_EQ(second.all()[i], ~i);
    }
  }
  EXPECT_FALSE(files.exists(path));
}

TEST(ScratchMemory, AGraphBuiltInItIsTheGraphBuiltInRam) {
  const TemporaryFolder folder;
  ScratchMemory memory(FileSystem::system(), folder.path() / "moving-1.rows");
  constexpr std::size_t kDim = 24;
  const hnsw::Options options{.dim = kDim, .m = 6, .ef_construction = 40, .seed = 3};
  hnsw::Graph in_ram(options);
  hnsw::Graph in_file(options, &memory);
  std::mt19937_64 random(11);
  std::vector<float> vector(kDim);
  for (std::uint64_t i = 0; i < 3000; ++i) {
    for (float& x : vector) x = std::uniform_real_distribution<float>(-1, 1)(random);
    in_ram.insert(vector.data(), i);
    in_file.insert(vector.data(), i);
  }
  for (hnsw::Slot slot = 0; slot < 3000; ++slot) {
    ASSERT_TRUE(std::ranges::equal(in_ram.links(slot, 0), in_file.links(slot, 0))) << slot;
    ASSERT_TRUE(std::ranges::equal(in_ram.code(slot), in_file.code(slot))) << slot;
  }
}

TEST(ScratchMemory, AFullDiskIsAnErrorBeforeAnythingIsWritten) {
  FaultFileSystem files(1);
  files.set_capacity(64 << 10);
  {
    ScratchMemory memory(files, "moving-1.rows");
    try {
      const ScratchArray<std::uint64_t> array(100'000, &memory);
      FAIL() << "the disk was not full";
    } catch (const IoError& error) {
      EXPECT_EQ(error.code, ENOSPC);
    }
  }
  EXPECT_FALSE(files.exists("moving-1.rows"));
}

}  // namespace
}  // namespace engram::engine
