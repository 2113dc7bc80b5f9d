// The whole native store over files that fail, die and lose power: whatever happens, what opens afterwards is
// the state after some prefix of the operations, and under Sync::kAlways one that holds every operation that
// returned.
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/store_testing.h"

namespace engram::engine {
namespace {

void expect_prefix(FaultFileSystem& files, const std::vector<Operation>& operations, std::size_t least) {
  for (int round = 0; round < 2; ++round) {  // opening twice gives the same
    const std::unique_ptr<Store> store = open(files, wal::Sync::kAlways);
    const std::optional<std::size_t> prefix = prefix_of(*store, operations);
    ASSERT_TRUE(prefix.has_value()) << "the store holds what no prefix of the operations gives";
    ASSERT_GE(*prefix, least) << "an operation that had returned is gone";
    store->verify();
  }
}

std::uint64_t calls_of(const std::vector<Operation>& operations, wal::Sync sync) {
  FaultFileSystem files;
  files.make_folder("/data");
  EXPECT_EQ(run(files, operations, sync), operations.size());
  return files.calls();
}

TEST(StoreFaults, AKillAtAnyCallLeavesAPrefixWithAllThatReturned) {
  for (const wal::Sync sync : {wal::Sync::kAlways, wal::Sync::kNever}) {
    const std::vector<Operation> operations = scenario(1);
    const std::uint64_t calls = calls_of(operations, sync);
    for (std::uint64_t n = 1; n < calls; ++n) {
      SCOPED_TRACE("killed at call " + std::to_string(n) + " of " + std::to_string(calls));
      FaultFileSystem files(n);
      files.make_folder("/data");
      files.kill_at(n);
      const std::size_t returned = run(files, operations, sync);
      expect_prefix(*files.after_kill(), operations, returned);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(StoreFaults, ACheckpointIsWholeThoughMemoriesAreReplacedAtEveryWriteOfIt) {
  FaultFileSystem files;
  files.make_folder("/data");
  Model model;
  {
    const std::unique_ptr<Store> store = open(files, wal::Sync::kNever);
    int count = 0;
    const auto replace = [&] {
      const std::string id = "id" + std::to_string(count % 50);
      model[id] = {static_cast<float>(++count), 0, 0, 0};
      Operation{Operation::Kind::kPut, {id}, {model[id]}}.apply(*store);
    };
    while (count < 50) replace();
    drain(*store);
    files.set_hook([&](FaultFileSystem::Call call, const Path& path) {
      const bool of_checkpoint = path.filename().string().starts_with("hot-");
      if (call == FaultFileSystem::Call::kWrite && of_checkpoint) replace();
    });
    store->checkpoint();
    files.set_hook({});
    ASSERT_GT(count, 55);
  }
  EXPECT_TRUE(holds(*open(files, wal::Sync::kNever), model));
}

TEST(StoreFaults, AFailureAtAnyCallRefusesOrGoesOnAndNothingThatReturnedIsLost) {
  const std::vector<Operation> operations = scenario(2);
  const std::uint64_t calls = calls_of(operations, wal::Sync::kAlways);
  for (const int code : {EIO, ENOSPC}) {
    for (const bool for_good : {false, true}) {
      for (std::uint64_t n = 1; n < calls; ++n) {
        SCOPED_TRACE("errno " + std::to_string(code) + (for_good ? " from call " : " at call ") +
                     std::to_string(n));
        FaultFileSystem files(n);
        files.make_folder("/data");
        files.fail_at(n, code, for_good);
        const std::size_t returned = run(files, operations, wal::Sync::kAlways);
        expect_prefix(*files.after_kill(), operations, returned);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(StoreFaults, APowerCutLosesNothingSyncedAndLeavesAPrefix) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const wal::Sync sync : {wal::Sync::kAlways, wal::Sync::kInterval, wal::Sync::kNever}) {
    for (int cut = 0; cut < 700; ++cut) {
      const std::vector<Operation> operations = scenario(random());
      FaultFileSystem files(random());
      files.make_folder("/data");
      files.sync_folder("/");
      files.kill_at(1 + random() % 400);
      const std::size_t returned = run(files, operations, sync);
      expect_prefix(*files.after_power_cut(random), operations, sync == wal::Sync::kAlways ? returned : 0);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace engram::engine
