#include "engine/store.h"

#include <gtest/gtest.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "base/error.h"
#include "engine/temporary_folder.h"

namespace engram::engine {
namespace {

constexpr std::size_t kDim = 8;
using Vector = std::array<float, kDim>;

Options in(const TemporaryFolder& folder) {
  Options options;
  options.folder = folder.path() / "store";
  options.dim = kDim;
  options.metric = hnsw::Metric::kL2;
  options.threads = 2;
  return options;
}

Options in_ram() {
  Options options;
  options.dim = kDim;
  options.metric = hnsw::Metric::kL2;
  options.threads = 1;
  return options;
}

void drain(Store& store) {
  for (;;) {
    const Queue::Batch batch = store.take(256, Seconds(0));
    if (batch.chunks.empty()) return;
    store.sync_for(batch);
    store.index(batch);
    store.committed(store.uncommitted());
  }
}

std::unique_ptr<Store> open(const Options& options) {
  auto store = std::make_unique<Store>(FileSystem::system(), options);
  store->recover([&] { drain(*store); });
  return store;
}

std::uint64_t put(Store& store, std::string_view id, const Vector& vector) {
  Entry entry;
  entry.id = id;
  entry.vector = reinterpret_cast<const std::byte*>(vector.data());
  std::vector<std::byte> payload;
  encode(entry, kDim, payload);
  return store.put(std::move(payload), std::nullopt, std::nullopt);
}

Vector random_vector(std::mt19937_64& random) {
  Vector vector;
  for (float& x : vector) x = std::uniform_real_distribution<float>(-1, 1)(random);
  return vector;
}

// Everything the store shows, by a recall of all of it; fails when an id comes twice or with a wrong
// distance.
std::map<std::string, float> everything(const Store& store, const Vector& cue) {
  std::map<std::string, float> seen;
  for (const Found& hit : store.recall(cue.data(), {.k = store.size() + 10}).hits) {
    EXPECT_TRUE(seen.emplace(hit.id, hit.distance).second) << hit.id << " came twice";
  }
  return seen;
}

using Model = std::map<std::string, Vector>;

void expect_same(const Store& store, const Model& model, const Vector& cue) {
  ASSERT_EQ(store.size(), model.size());
  const std::map<std::string, float> seen = everything(store, cue);
  ASSERT_EQ(seen.size(), model.size());
  for (const auto& [id, vector] : model) {
    const std::optional<Version> version = store.get(id, 0);
    ASSERT_TRUE(version.has_value()) << id;
    ASSERT_EQ(std::memcmp(version->vector.data(), vector.data(), sizeof vector), 0) << id;
    float expected = 0;
    for (std::size_t i = 0; i < kDim; ++i) expected += (vector[i] - cue[i]) * (vector[i] - cue[i]);
    ASSERT_NEAR(seen.at(id), expected, 1e-4 * (1 + expected)) << id;
  }
}

TEST(Store, AMemoryIsSeenOnceWhileItWaitsAndAfterItIsIndexed) {
  const std::unique_ptr<Store> store = open(in_ram());
  const Vector vector{1, 2, 3};
  put(*store, "a", vector);
  expect_same(*store, {{"a", vector}}, {});
  drain(*store);
  expect_same(*store, {{"a", vector}}, {});
}

TEST(Store, RandomOperationsAgreeWithAMapAtEveryStageOfIndexing) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const TemporaryFolder folder;
  Options options = in(folder);
  options.sync = wal::Sync::kNever;
  std::unique_ptr<Store> store = open(options);
  Model model;
  for (int step = 0; step < 3000; ++step) {
    const std::string id = "id" + std::to_string(random() % 200);
    const auto choice = random() % 100;
    if (choice < 60) {
      model[id] = random_vector(random);
      put(*store, id, model[id]);
    } else if (choice < 85) {
      EXPECT_EQ(store->forget(id, std::nullopt).has_value(), model.erase(id) == 1);
    } else if (choice < 98) {
      const Queue::Batch batch = store->take(1 + random() % 64, Seconds(0));
      if (!batch.chunks.empty()) store->index(batch);
      store->committed(store->uncommitted());
    } else if (choice < 99 && random() % 4 == 0) {
      store->checkpoint();
    } else if (choice < 99) {
      expect_same(*store, model, random_vector(random));
      store->verify();
    } else {
      store->close();
      store = nullptr;
      store = open(options);
    }
  }
  expect_same(*store, model, random_vector(random));
}

TEST(Store, ABatchIsOneRecordWithAKeyForEachMemory) {
  const std::unique_ptr<Store> store = open(in_ram());
  std::vector<std::byte> payload;
  const Vector first{1};
  const Vector second{2};
  for (const auto& [id, vector] :
       {std::pair{"a", &first}, std::pair{"b", &second}, std::pair{"a", &second}}) {
    Entry entry;
    entry.id = id;
    entry.vector = reinterpret_cast<const std::byte*>(vector->data());
    encode(entry, kDim, payload);
  }
  store->put(std::move(payload), std::nullopt, std::nullopt);
  expect_same(*store, {{"a", second}, {"b", second}}, {});
  EXPECT_NE(store->get("a", 0)->key, store->get("b", 0)->key);
  drain(*store);
  expect_same(*store, {{"a", second}, {"b", second}}, {});
}

TEST(Store, AFullQueueRefusesAfterItsTimeoutAndNothingIsStored) {
  Options options = in_ram();
  options.queue_capacity = 2;
  const std::unique_ptr<Store> store = open(options);
  put(*store, "a", {1});
  put(*store, "b", {2});
  Entry entry;
  entry.id = "c";
  const Vector vector{3};
  entry.vector = reinterpret_cast<const std::byte*>(vector.data());
  std::vector<std::byte> payload;
  encode(entry, kDim, payload);
  EXPECT_THROW(store->put(payload, std::nullopt, Seconds(0.001)), QueueFull);
  EXPECT_EQ(store->size(), 2u);
  drain(*store);
  store->put(payload, std::nullopt, Seconds(0.001));
  EXPECT_EQ(store->size(), 3u);
}

#if defined(__linux__)
TEST(Store, WhatNobodyWaitsForIsIndexedOnlyWhereAProcessorIsLeft) {
  std::atomic<int> idle{0}, others{0};
  Options options = in_ram();
  options.queue_capacity = 100;
  options.before_insert = [&](std::string_view) { ++(sched_getscheduler(0) == SCHED_IDLE ? idle : others); };
  const std::unique_ptr<Store> store = open(options);
  const auto index_some = [&](int count) {
    for (int i = 0; i < count; ++i) put(*store, std::to_string(i), Vector{});
    idle = others = 0;
    store->index(store->take(256, Seconds(0)), Priority::kIdle);
    store->committed(store->uncommitted());
  };
  if (sched_getscheduler(0) == SCHED_IDLE) GTEST_SKIP() << "these tests run at that priority themselves";

  index_some(10);
  EXPECT_EQ(idle, 10);

  index_some(60);  // the queue is half full
  EXPECT_EQ(others, 60);

  std::thread waiting([&] { EXPECT_TRUE(store->wait_indexed(store->visible_lsn(), std::nullopt)); });
  while (!store->is_awaited()) std::this_thread::yield();
  index_some(10);
  EXPECT_EQ(others, 10);
  waiting.join();
}
#endif

TEST(Store, RecoveryOfMoreThanTheQueueHoldsGoesThroughSteps) {
  const TemporaryFolder folder;
  Options options = in(folder);
  options.sync = wal::Sync::kNever;
  Model model;
  std::mt19937_64 random(5);
  {
    const std::unique_ptr<Store> store = open(options);
    for (int i = 0; i < 500; ++i) {
      const std::string id = "id" + std::to_string(i % 300);
      model[id] = random_vector(random);
      put(*store, id, model[id]);
    }
  }
  options.queue_capacity = 16;
  expect_same(*open(options), model, {});
}

TEST(Store, ACheckpointHoldsWhatWasIndexedAndTheLogTheRest) {
  const TemporaryFolder folder;
  Model model;
  std::mt19937_64 random(11);
  {
    const std::unique_ptr<Store> store = open(in(folder));
    const auto replace = [&](const std::string& id) { put(*store, id, model[id] = random_vector(random)); };
    for (int i = 0; i < 100; ++i) replace("id" + std::to_string(i));
    drain(*store);
    for (int i = 0; i < 10; ++i)
      replace("id" + std::to_string(i));  // dead in the graph, alive at the checkpoint
    store->forget("id99", std::nullopt);
    model.erase("id99");
    EXPECT_EQ(store->checkpoint(), store->indexed_lsn());
    EXPECT_EQ(store->checkpoint(), store->checkpoint_lsn());
    replace("after");
  }
  for (int round = 0; round < 2; ++round) {
    const std::unique_ptr<Store> store = open(in(folder));
    EXPECT_GT(store->checkpoint_lsn(), 0u);
    expect_same(*store, model, {});
    store->verify();
    if (round == 0) store->checkpoint();
  }
  EXPECT_EQ(FileSystem::system().list(folder.path() / "store").size(),
            6u);  // activation, hot-2.*, lock, manifest, wal
}

TEST(Store, ACheckpointFileThatIsMissingOrFlippedIsNamed) {
  const TemporaryFolder folder;
  {
    const std::unique_ptr<Store> store = open(in(folder));
    for (int i = 0; i < 20; ++i) put(*store, "id" + std::to_string(i), {static_cast<float>(i)});
    drain(*store);
    store->checkpoint();
  }
  for (const Path& path : {graph_path(folder.path() / "store", 1), rows_path(folder.path() / "store", 1)}) {
    const std::uint64_t size = FileSystem::system().open(path, OpenMode::kRead)->size();
    for (std::uint64_t at = 0; at < size; at += 1 + size / 97) {
      std::array<std::byte, 1> byte{};
      const std::unique_ptr<File> file = FileSystem::system().open(path, OpenMode::kReadWrite);
      file->read_at(at, byte);
      byte[0] ^= std::byte{0x10};
      const std::array<Bytes, 1> parts{Bytes(byte)};
      file->write_at(at, parts);
      try {
        EXPECT_EQ(open(in(folder))->size(), 20u)
            << "a flip at " << at << " of " << path << " changed the store";
      } catch (const CorruptionError& error) {
        EXPECT_EQ(error.file, path.string());
      } catch (const UnsupportedFormat&) {
      }
      byte[0] ^= std::byte{0x10};
      file->write_at(at, parts);
    }
    FileSystem::system().rename(path, path.string() + "-away");
    EXPECT_THROW(open(in(folder)), CorruptionError);
    FileSystem::system().rename(path.string() + "-away", path);
  }
  EXPECT_EQ(open(in(folder))->size(), 20u);
}

TEST(Store, AnotherDimensionOrMetricIsRefusedAndTheStoreStays) {
  const TemporaryFolder folder;
  open(in(folder))->close();
  Options other = in(folder);
  other.dim = kDim + 1;
  EXPECT_THROW(open(other), DimensionMismatch);
  other = in(folder);
  other.metric = hnsw::Metric::kCosine;
  EXPECT_THROW(open(other), InvalidInput);
  EXPECT_EQ(open(in(folder))->size(), 0u);
}

TEST(Store, ASecondWriterIsKeptOutAndReadersShare) {
  const TemporaryFolder folder;
  std::unique_ptr<Store> writer = open(in(folder));
  EXPECT_THROW(open(in(folder)), StoreLocked);
  Options reading = in(folder);
  reading.read_only = true;
  EXPECT_THROW(open(reading), StoreLocked);
  put(*writer, "a", {1});
  writer = nullptr;
  const std::unique_ptr<Store> one = open(reading);
  const std::unique_ptr<Store> two = open(reading);
  EXPECT_EQ(one->size() + two->size(), 2u);
  EXPECT_THROW(put(*one, "b", {1}), ReadOnlyStore);
  EXPECT_THROW(open(in(folder)), StoreLocked);
}

// Writers update and forget their own ids while an indexer indexes and readers recall: each reader must see
// every settled memory exactly once, and of an id being replaced exactly one version.
TEST(Store, RecallsDuringUpdatesSeeEveryMemoryExactlyOnce) {
  const std::unique_ptr<Store> store = open(in_ram());
  constexpr int kIds = 48;
  for (int i = 0; i < kIds; ++i) put(*store, "id" + std::to_string(i), {static_cast<float>(i)});
  std::atomic<bool> stop{false};
  std::thread indexer([&] {
    while (!stop) {
      const Queue::Batch batch = store->take(8, Seconds(0.001));
      if (!batch.chunks.empty()) store->index(batch);
      store->committed(store->uncommitted());
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      for (int round = 0; round < 10'000; ++round) {
        const int i = (round * 7) % (kIds / 2) * 2 + w;
        put(*store, "id" + std::to_string(i), {static_cast<float>(i), static_cast<float>(round)});
      }
    });
  }
  std::thread reader([&] {
    while (!stop) EXPECT_EQ(everything(*store, {}).size(), static_cast<std::size_t>(kIds));
  });
  for (std::thread& writer : writers) writer.join();
  stop = true;
  reader.join();
  indexer.join();
  drain(*store);
  EXPECT_EQ(everything(*store, {}).size(), static_cast<std::size_t>(kIds));
  store->verify();
}

// The indexer waits without end here: a wake-up that is lost, by the first memory, by whoever begins to wait
// for the index while it gathers company, or by the end, hangs.
TEST(Store, TheIndexerIsWokenByWorkByThoseWhoWaitAndByTheEnd) {
  const std::unique_ptr<Store> store = open(in_ram());
  std::thread indexer([&] {
    for (;;) {
      const Queue::Batch batch = store->take(8, Seconds(86400));
      if (batch.chunks.empty()) return;
      store->index(batch, Priority::kIdle);
      store->committed(store->uncommitted());
    }
  });
  for (int i = 0; i < 500; ++i) {
    const std::uint64_t lsn = put(*store, "id" + std::to_string(i % 5), {static_cast<float>(i)});
    if (i % 2 == 0) {
      EXPECT_TRUE(store->wait_indexed(lsn, std::nullopt));
    }
  }
  store->stop_indexing();
  indexer.join();
}

TEST(Store, EveryCallAfterCloseSaysSo) {
  const std::unique_ptr<Store> store = open(in_ram());
  put(*store, "a", {1});
  store->close();
  store->close();
  const Vector cue{};
  EXPECT_THROW(put(*store, "b", {1}), StoreClosed);
  EXPECT_THROW(store->recall(cue.data(), {}), StoreClosed);
  EXPECT_THROW(store->get("a", 0), StoreClosed);
  EXPECT_THROW(store->flush(), StoreClosed);
  EXPECT_TRUE(store->take(1, Seconds(1)).chunks.empty());
}

}  // namespace
}  // namespace engram::engine
