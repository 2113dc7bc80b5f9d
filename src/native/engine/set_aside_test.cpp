#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "engine/store.h"
#include "engine/temporary_folder.h"

namespace engram::engine {
namespace {

constexpr std::size_t kDim = 4;
using Vector = std::array<float, kDim>;

// A store whose graph refuses every id that begins with "bad" for as long as `refusing`.
class SetAside : public testing::Test {
 protected:
  std::unique_ptr<Store> open() {
    Options options;
    options.folder = folder_.path() / "store";
    options.dim = kDim;
    options.metric = hnsw::Metric::kL2;
    options.threads = 1;
    options.before_insert = [this](std::string_view id) {
      if (refusing_ && id.starts_with("bad")) throw std::runtime_error("refused");
    };
    auto store = std::make_unique<Store>(FileSystem::system(), options);
    store->recover([&] { index(*store); });
    return store;
  }

  static void put(Store& store, std::string_view id, const Vector& vector) {
    Entry entry;
    entry.id = id;
    entry.vector = reinterpret_cast<const std::byte*>(vector.data());
    std::vector<std::byte> payload;
    encode(entry, kDim, payload);
    store.put(std::move(payload), std::nullopt, std::nullopt);
  }

  static void index(Store& store) {
    for (;;) {
      const Queue::Batch batch = store.take(256, Seconds(0));
      if (batch.chunks.empty()) return;
      try {
        store.index(batch);
      } catch (const std::runtime_error&) {
        store.set_aside(batch);
      }
      store.committed(store.uncommitted());
    }
  }

  static std::string nearest(const Store& store, const Vector& cue) {
    return store.recall(cue.data(), {.k = 1}).hits.at(0).id;
  }

  TemporaryFolder folder_;
  std::atomic<bool> refusing_{true};
};

TEST_F(SetAside, WhatCannotBeIndexedIsRecalledAndTheRestIsIndexed) {
  const std::unique_ptr<Store> store = open();
  put(*store, "good 1", {1, 0, 0, 0});
  put(*store, "bad", {2, 0, 0, 0});
  put(*store, "good 2", {3, 0, 0, 0});
  index(*store);
  EXPECT_EQ(store->aside(), 1U);
  EXPECT_EQ(store->stats()["hot"]["slots"], 2);
  EXPECT_EQ(store->stats()["queue"]["memories"], 1) << "it keeps its room";
  EXPECT_EQ(nearest(*store, {2, 0, 0, 0}), "bad");
  store->verify();

  EXPECT_EQ(store->retry_aside(), 1U);
  refusing_ = false;
  EXPECT_EQ(store->retry_aside(), 0U);
  EXPECT_EQ(store->stats()["hot"]["slots"], 3);
  EXPECT_EQ(store->stats()["queue"]["memories"], 0);
  EXPECT_EQ(nearest(*store, {2, 0, 0, 0}), "bad");
  store->verify();
}

TEST_F(SetAside, NoCheckpointDropsItFromTheLog) {
  {
    const std::unique_ptr<Store> store = open();
    put(*store, "bad", {2, 0, 0, 0});
    put(*store, "good", {1, 0, 0, 0});
    index(*store);
    EXPECT_THROW(store->checkpoint(), Error);
  }
  refusing_ = false;
  const std::unique_ptr<Store> store = open();
  EXPECT_EQ(store->size(), 2U);
  EXPECT_EQ(nearest(*store, {2, 0, 0, 0}), "bad");
  EXPECT_GT(store->checkpoint(), 0U);
}

TEST_F(SetAside, WhatIsReplacedMeanwhileIsNotIndexedAnyMore) {
  const std::unique_ptr<Store> store = open();
  put(*store, "bad", {2, 0, 0, 0});
  index(*store);
  store->forget("bad", std::nullopt);
  put(*store, "good", {1, 0, 0, 0});
  index(*store);
  EXPECT_EQ(store->aside(), 1U);
  EXPECT_EQ(store->retry_aside(), 0U) << "it is dead: there is nothing to index";
  EXPECT_EQ(store->recall(Vector{2, 0, 0, 0}.data(), {.k = 5}).hits.size(), 1U);
  EXPECT_EQ(store->stats()["queue"]["memories"], 0);
  store->verify();
}

}  // namespace
}  // namespace engram::engine
