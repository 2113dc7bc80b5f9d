// The whole native store over files that fail, die and lose power: whatever happens, what opens afterwards is
// the state after some prefix of the operations, and under Sync::kAlways one that holds every operation that
// returned.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault_file.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

constexpr std::size_t kDim = 4;
constexpr int kOperations = 40;
using Vector = std::array<float, kDim>;
using Model = std::map<std::string, Vector>;

Options options(wal::Sync sync) {
  Options options;
  options.folder = "/data/store";
  options.dim = kDim;
  options.metric = hnsw::Metric::kL2;
  options.threads = 1;
  options.sync = sync;
  options.interval = std::chrono::milliseconds(1'000'000);  // no timer: the same calls in every run
  return options;
}

void drain(Store& store) {
  for (;;) {
    const Queue::Batch batch = store.take(8, Seconds(0));
    if (batch.chunks.empty()) return;
    store.sync_for(batch);
    store.index(batch);
  }
}

std::unique_ptr<Store> open(FileSystem& files, wal::Sync sync) {
  auto store = std::make_unique<Store>(files, options(sync));
  store->recover([&] { drain(*store); });
  return store;
}

// One operation of the scenario: what it does to a store, and to a model.
struct Operation {
  enum class Kind { kPut, kBatch, kForget, kIndex, kCheckpoint } kind;
  std::vector<std::string> ids;
  std::vector<Vector> vectors;

  void apply(Model& model) const {
    for (std::size_t i = 0; i < vectors.size(); ++i) model[ids[i]] = vectors[i];
    if (kind == Kind::kForget) model.erase(ids[0]);
  }

  void apply(Store& store) const {
    if (kind == Kind::kIndex) return drain(store);
    if (kind == Kind::kForget) return void(store.forget(ids[0], std::nullopt));
    if (kind == Kind::kCheckpoint) {
      drain(store);
      store.checkpoint();
      return;
    }
    std::vector<std::byte> payload;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Entry entry;
      entry.id = ids[i];
      entry.vector = reinterpret_cast<const std::byte*>(vectors[i].data());
      encode(entry, kDim, payload);
    }
    store.put(std::move(payload), std::nullopt, std::nullopt);
  }
};

std::vector<Operation> scenario(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Operation> operations;
  for (int n = 0; n < kOperations; ++n) {
    const auto dice = random() % 10;
    Operation operation{dice < 5   ? Operation::Kind::kPut
                        : dice < 7 ? Operation::Kind::kBatch
                        : dice < 8 ? Operation::Kind::kForget
                        : dice < 9 ? Operation::Kind::kIndex
                                   : Operation::Kind::kCheckpoint,
                        {},
                        {}};
    const bool stores = operation.kind == Operation::Kind::kPut || operation.kind == Operation::Kind::kBatch;
    const std::size_t count = operation.kind == Operation::Kind::kBatch ? 3 : 1;
    for (std::size_t i = 0; i < count; ++i) {
      operation.ids.push_back("id" + std::to_string(random() % 12));
      if (stores) operation.vectors.push_back({static_cast<float>(n), static_cast<float>(i), 1, 2});
    }
    operations.push_back(std::move(operation));
  }
  return operations;
}

// Runs the scenario; how many operations returned before one threw (all of them when none did).
std::size_t run(FileSystem& files, const std::vector<Operation>& operations, wal::Sync sync) {
  std::size_t returned = 0;
  try {
    const std::unique_ptr<Store> store = open(files, sync);
    for (const Operation& operation : operations) {
      operation.apply(*store);
      ++returned;
    }
  } catch (const Killed&) {
  } catch (const Error&) {
  }
  return returned;
}

bool holds(const Store& store, const Model& model) {
  if (store.size() != model.size()) return false;
  const Vector cue{};
  if (store.recall(cue.data(), model.size() + 5, 64).hits.size() != model.size()) return false;
  for (const auto& [id, vector] : model) {
    const std::optional<Version> version = store.get(id);
    if (!version || std::memcmp(version->vector.data(), vector.data(), sizeof vector) != 0) return false;
  }
  return true;
}

// The longest prefix of the operations whose state `store` holds.
std::optional<std::size_t> prefix_of(const Store& store, const std::vector<Operation>& operations) {
  Model model;
  std::optional<std::size_t> found;
  for (std::size_t n = 0; n <= operations.size(); ++n) {
    if (holds(store, model)) found = n;
    if (n < operations.size()) operations[n].apply(model);
  }
  return found;
}

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
