// Recalls while memories move: at every instant each memory is recalled exactly once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "base/fault_file.h"
#include "engine/tiers_testing.h"

namespace engram::engine {
namespace {

// Holds a recall where it reads the cold tier: it has looked through queue and graph by then, and is yet to
// name what it found there.
class HeldRecall {
 public:
  HeldRecall(const Store& store, std::size_t k)
      : thread_([this, &store, k] {
          mine_ = this;
          const Point cue{};
          for (const Found& hit : store.recall(cue.data(), {.k = k}).hits) ids_.insert(hit.id);
          mine_ = nullptr;
        }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return arrived_; });
  }
  ~HeldRecall() { release(); }
  HeldRecall(const HeldRecall&) = delete;
  HeldRecall& operator=(const HeldRecall&) = delete;

  // What it recalls once it may go on.
  const std::multiset<std::string>& release() {
    {
      const std::lock_guard lock(mutex_);
      released_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    return ids_;
  }

  // For the file system to call before it reads.
  static void hook(FaultFileSystem::Call call, const Path& path) {
    if (mine_ == nullptr || call != FaultFileSystem::Call::kRead || path.extension() != ".cold") return;
    std::unique_lock lock(mine_->mutex_);
    mine_->arrived_ = true;
    mine_->changed_.notify_all();
    mine_->changed_.wait(lock, [] { return mine_->released_; });
  }

 private:
  static inline thread_local HeldRecall* mine_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool arrived_ = false;
  bool released_ = false;
  std::multiset<std::string> ids_;
  std::thread thread_;  // last: it uses all the others
};

// A store of some hot memories and a cold one, "cold", whose pages are read anew by each recall.
struct Small {
  FaultFileSystem files;
  std::unique_ptr<Store> store;

  explicit Small(int hot) {
    files.make_folder("/data");
    Options options;
    options.folder = "/data/store";
    options.dim = kDimensions;
    options.metric = hnsw::Metric::kL2;
    options.threads = 1;
    options.sync = wal::Sync::kNever;
    options.page_cache_bytes = 0;
    store = open(options, files);
    for (int i = 0; i < hot; ++i) put(*store, names(i, i + 1)[0], {static_cast<float>(i)});
    put(*store, "cold", {1000});
    index_all(*store);
    move(*store, {"cold"}, Tier::kCold);
    files.set_hook(&HeldRecall::hook);
  }
  double hot_slots(const char* which) const { return store->stats().at("hot").at(which); }
};

TEST(RecallWhileMoving, WhatCameUpAgainWhileAnOlderRecallWasUnderWayCrowdsNobodyOut) {
  constexpr int kHot = 20;
  Small small(kHot);
  HeldRecall older(*small.store, kHot + 1);
  move(*small.store, names(0, kHot), Tier::kWarm);
  move(*small.store, names(0, kHot), Tier::kHot);
  small.store->checkpoint();
  EXPECT_EQ(small.store->compact({}).dropped, kHot);  // the segment they had come down to
  // The older recall keeps the slots that they left, so each lies in the graph twice.
  ASSERT_EQ(small.hot_slots("dead"), kHot);
  const Point cue{};
  std::set<std::string> found;
  for (const Found& hit : small.store->recall(cue.data(), {.k = kHot + 1}).hits) found.insert(hit.id);
  EXPECT_EQ(found.size(), kHot + 1);
  EXPECT_EQ(older.release().size(), kHot + 1);
}

TEST(RecallWhileMoving, ASlotThatWasFoundIsNotUsedAgainBeforeItIsNamed) {
  Small small(1);
  HeldRecall older(*small.store, 5);
  move(*small.store, {"id0"}, Tier::kWarm);
  // It begins after the move, and yet may count the slot: nothing was stored since.
  HeldRecall newer(*small.store, 5);
  EXPECT_EQ(older.release(), (std::multiset<std::string>{"id0", "cold"}));
  // With the older one gone the slot is taken out of the graph, and would be the next to be used.
  move(*small.store, {}, Tier::kHot);
  put(*small.store, "another", {1});
  index_all(*small.store);
  EXPECT_EQ(newer.release(), (std::multiset<std::string>{"id0", "cold"}));
  move(*small.store, {}, Tier::kHot);
  EXPECT_EQ(small.hot_slots("dead"), 0);
}

constexpr int kIds = 64;

// Where a memory is now, and what a recall that missed it, or had it twice, did.
std::string told(const Store& store, const Recalled& recalled, const std::string& id) {
  std::ostringstream out;
  const std::optional<std::uint64_t> key = store.key(id);
  out << id << " has key " << (key ? std::to_string(*key) : "none") << " by now; visible "
      << store.visible_lsn() << ", indexed " << store.indexed_lsn();
  const TierTable table = store.tier_table(0);
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    if (table.keys[i] == key) out << ", in the " << kTierNames[table.tiers[i]] << " tier";
  }
  out << "; complete " << recalled.complete() << ";";
  for (std::size_t tier = 0; tier < kTiers; ++tier) {
    const TierSearch& did = recalled.tiers[tier];
    out << ' ' << kTierNames[tier] << " searched " << did.searched << " found " << did.found << " truncated "
        << did.truncated << " in " << did.elapsed_us << " us;";
  }
  for (const Found& hit : recalled.hits) {
    out << ' ' << hit.id << '/' << hit.key << '/' << kTierNames[static_cast<std::size_t>(hit.tier)];
  }
  return out.str();
}

// One recall of everything; false when a memory was missed or came twice.
bool sees_each_once(const Store& store) {
  const Point cue{};
  const Recalled recalled = store.recall(cue.data(), {.k = kIds + 10});
  std::map<std::string, int> times;
  for (const Found& hit : recalled.hits) ++times[hit.id];
  bool right = true;
  for (const std::string& id : names(0, kIds)) {
    if (times[id] == 1) continue;
    ADD_FAILURE() << id << " came " << times[id] << " times: " << told(store, recalled, id);
    right = false;
  }
  return right;
}

// One thread stores and forgets, one indexes, one moves, compacts and takes checkpoints, and two recall.
TEST(RecallWhileMoving, SeesEveryMemoryExactlyOnce) {
  constexpr int kRounds = 300;
  constexpr int kMoves = 15;
  const TemporaryFolder folder;
  const std::unique_ptr<Store> store = open(in(folder));
  for (int i = 0; i < kIds; ++i) put(*store, "id" + std::to_string(i), {static_cast<float>(i)});
  index_all(*store);
  std::atomic<bool> stop{false};
  std::atomic<int> moves{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!stop) {
      const Queue::Batch batch = store->take(8, Seconds(0.001));
      if (batch.chunks.empty()) continue;
      store->sync_for(batch);
      store->index(batch);
      store->committed(store->uncommitted());  // or writers wait for room in the end
    }
  });
  threads.emplace_back([&] {
    std::mt19937_64 random(3);
    while (!stop) {
      const TierTable table = store->tier_table(0);
      std::vector<Tier> targets;
      for (std::size_t i = 0; i < table.keys.size(); ++i)
        targets.push_back(static_cast<Tier>(random() % kTiers));
      store->move(table.keys, targets, {.catalog_lsn = store->indexed_lsn()});
      if (random() % 4 == 0) store->compact({});
      if (random() % 4 == 0) store->checkpoint();
      ++moves;
    }
  });
  for (int r = 0; r < 2; ++r) {
    threads.emplace_back([&] {
      while (!stop) {
        if (!sees_each_once(*store)) stop = true;
      }
    });
  }
  for (int round = 0; (round < kRounds || moves < kMoves) && !stop; ++round) {
    const int i = round * 7 % kIds;
    put(*store, "id" + std::to_string(i), {static_cast<float>(i), static_cast<float>(round)});
    put(*store, "transient", {1000});
    store->forget("transient", std::nullopt);
    const std::string other = "id" + std::to_string(round * 11 % kIds);
    EXPECT_TRUE(store->get(other, 0).has_value()) << other;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  index_all(*store);
  store->verify();
  EXPECT_EQ(store->size(), static_cast<std::size_t>(kIds));
}

}  // namespace
}  // namespace engram::engine
