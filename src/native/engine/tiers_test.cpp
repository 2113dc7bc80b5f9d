// A store whose memories move between its tiers: whatever moves, each is found once, as it was stored.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "base/error.h"
#include "engine/tiers_testing.h"

namespace engram::engine {
namespace {

// The tier of each memory, by a recall of all of them; fails when one comes twice or at a wrong distance.
std::map<std::string, Tier> seen(const Store& store, const Points& model, const Point& cue) {
  std::map<std::string, Tier> tiers;
  const Recalled recalled = store.recall(cue.data(), {.k = model.size() + 10});
  EXPECT_TRUE(recalled.complete());
  for (const Found& hit : recalled.hits) {
    EXPECT_TRUE(tiers.emplace(hit.id, hit.tier).second) << hit.id << " came twice";
    EXPECT_EQ(hit.confidence, 0.5);
    const auto known = model.find(hit.id);
    if (known == model.end()) {
      ADD_FAILURE() << hit.id << " is not in the store";
      continue;
    }
    float expected = 0;
    for (std::size_t i = 0; i < kDimensions; ++i) {
      expected += (known->second[i] - cue[i]) * (known->second[i] - cue[i]);
    }
    EXPECT_NEAR(hit.distance, expected, 1e-4 * (1 + expected)) << hit.id;
  }
  return tiers;
}

void expect_same(const Store& store, const Points& model, const Point& cue) {
  ASSERT_EQ(store.size(), model.size());
  ASSERT_EQ(seen(store, model, cue).size(), model.size());
  std::vector<std::string> ids = store.ids();
  std::sort(ids.begin(), ids.end());
  ASSERT_TRUE(std::equal(ids.begin(), ids.end(), model.begin(), model.end(),
                         [](const std::string& id, const auto& pair) { return id == pair.first; }));
  for (const auto& [id, point] : model) {
    const std::optional<Version> version = store.get(id, 0);
    ASSERT_TRUE(version.has_value()) << id;
    ASSERT_EQ(std::memcmp(version->vector.data(), point.data(), sizeof point), 0) << id;
  }
  store.verify();
}

struct Filled {
  TemporaryFolder folder;
  std::unique_ptr<Store> store = open(in(folder));
  Points model;
  std::mt19937_64 random{7};

  explicit Filled(int count = 60) {
    for (const std::string& id : names(0, count)) replace(id);
    index_all(*store);
  }
  void replace(const std::string& id) { put(*store, id, model[id] = random_point(random)); }
  void reopen() {
    store = nullptr;
    store = open(in(folder));
  }
  std::size_t files_ending(std::string_view end) const {
    std::size_t count = 0;
    for (const std::string& name : FileSystem::system().list(folder.path() / "store"))
      count += name.ends_with(end);
    return count;
  }
};

TEST(Tiers, AMemoryThatMovesIsFoundOnceInItsNewTierAndAfterReopening) {
  Filled filled;
  Store& store = *filled.store;
  EXPECT_EQ(move(store, names(0, 40), Tier::kWarm).moved[0][1], 40u);
  EXPECT_EQ(move(store, names(10, 30), Tier::kCold).moved[1][2], 20u);
  EXPECT_EQ(move(store, names(20, 40), Tier::kHot).moved[2][0], 10u);
  EXPECT_EQ(move(store, names(40, 50), Tier::kCold).moved[0][2], 10u);
  EXPECT_EQ(move(store, names(10, 15), Tier::kWarm).moved[2][1], 5u);
  for (int round = 0; round < 3; ++round) {
    expect_same(*filled.store, filled.model, {});
    const std::map<std::string, Tier> tiers = seen(*filled.store, filled.model, {});
    EXPECT_EQ(tiers.at("id0"), Tier::kWarm);
    EXPECT_EQ(tiers.at("id12"), Tier::kWarm);
    EXPECT_EQ(tiers.at("id17"), Tier::kCold);
    EXPECT_EQ(tiers.at("id45"), Tier::kCold);
    EXPECT_EQ(tiers.at("id55"), Tier::kHot);
    // What was promoted is hot again for good once a checkpoint holds it.
    EXPECT_EQ(tiers.at("id25"), round == 1 ? Tier::kCold : Tier::kHot);
    if (round == 1) {
      move(*filled.store, names(20, 40), Tier::kHot);
      filled.store->checkpoint();
    }
    filled.reopen();
  }
}

TEST(Tiers, WhatIsReplacedOrForgottenInALowerTierStaysSo) {
  Filled filled;
  move(*filled.store, names(0, 30), Tier::kWarm);
  move(*filled.store, names(30, 60), Tier::kCold);
  for (const char* id : {"id3", "id33"}) filled.replace(id);
  for (const char* id : {"id5", "id35"}) {
    EXPECT_TRUE(filled.store->forget(id, std::nullopt).has_value());
    filled.model.erase(id);
  }
  expect_same(*filled.store, filled.model, {});
  filled.reopen();  // from the log
  expect_same(*filled.store, filled.model, {});
  index_all(*filled.store);
  filled.store->checkpoint();
  filled.reopen();  // from the file of dead rows
  expect_same(*filled.store, filled.model, {});
}

TEST(Tiers, OnlyWhatIsCurrentIndexedAndInTheCatalogMoves) {
  Filled filled(10);
  Store& store = *filled.store;
  const std::uint64_t old = store.key("id0").value();
  const std::uint64_t last = store.key("id9").value();
  filled.replace("id0");
  const std::vector<std::uint64_t> keys{old,  store.key("id0").value(), 1'000'000, last,
                                        last, store.key("id1").value()};
  const std::vector<Tier> targets(keys.size(), Tier::kWarm);
  const MoveReport report = store.move(keys, targets, {.catalog_lsn = last});
  EXPECT_EQ(report.unknown, 3u);  // replaced, pending, never there
  EXPECT_EQ(report.stayed, 2u);   // named twice, and not in the catalog
  EXPECT_EQ(report.moved[0][1], 1u);
  EXPECT_EQ(move(store, {"id1"}, Tier::kWarm).stayed, 1u);
  expect_same(store, filled.model, {});
  index_all(store);
  EXPECT_EQ(move(store, names(0, 10), Tier::kCold).moved[0][2], 9u);
  expect_same(store, filled.model, {});
}

TEST(Tiers, CompactionDropsTheDeadAndMergesTheSmall) {
  Filled filled(200);
  for (int at = 0; at < 120; at += 10) move(*filled.store, names(at, at + 10), Tier::kWarm);
  for (int at = 120; at < 200; at += 10) move(*filled.store, names(at, at + 10), Tier::kCold);
  EXPECT_EQ(filled.files_ending(".warm"), 12u);
  for (const std::string& id : names(120, 123)) filled.replace(id);
  const CompactReport report = filled.store->compact({});
  EXPECT_GE(report.rewritten, 3u);
  EXPECT_EQ(report.dropped, 3u);
  EXPECT_LE(filled.files_ending(".warm"), 8u);
  EXPECT_LE(filled.files_ending(".cold"), 8u);
  EXPECT_EQ(filled.files_ending(".dead"), 1u);
  EXPECT_EQ(filled.files_ending(".vectors"), 0u);
  EXPECT_EQ(filled.store->compact({}).rewritten, 0u) << "what was compacted is due again";
  expect_same(*filled.store, filled.model, {});
  filled.reopen();
  expect_same(*filled.store, filled.model, {});
  EXPECT_EQ(seen(*filled.store, filled.model, {}).at("id150"), Tier::kCold);
}

TEST(Tiers, ASegmentOfWhichNothingIsLeftGoes) {
  Filled filled(20);
  move(*filled.store, names(0, 20), Tier::kCold);
  for (const std::string& id : names(0, 20)) filled.replace(id);
  EXPECT_EQ(filled.store->compact({}).segments, 0u);
  EXPECT_EQ(filled.files_ending(".cold") + filled.files_ending(".dead"), 0u);
  filled.reopen();
  expect_same(*filled.store, filled.model, {});
}

TEST(Tiers, CompactionKeepsOnDiskWhatWasPromotedSinceTheLastCheckpoint) {
  Filled filled(40);
  move(*filled.store, names(0, 40), Tier::kCold);
  move(*filled.store, names(0, 10), Tier::kHot);
  for (const std::string& id : names(30, 40)) filled.replace(id);
  EXPECT_EQ(filled.store->compact({}).dropped, 10u);
  EXPECT_EQ(filled.store->compact({}).rewritten, 0u);
  filled.reopen();
  expect_same(*filled.store, filled.model, {});
  move(*filled.store, names(0, 10), Tier::kHot);
  index_all(*filled.store);
  filled.store->checkpoint();
  EXPECT_EQ(filled.store->compact({}).dropped, 10u);
  filled.reopen();
  expect_same(*filled.store, filled.model, {});
  EXPECT_EQ(seen(*filled.store, filled.model, {}).at("id5"), Tier::kHot);
}

TEST(Tiers, APromotionThatWasReplacedIsForgottenWithItsSegment) {
  Filled filled(40);
  move(*filled.store, names(0, 40), Tier::kCold);
  move(*filled.store, names(0, 20), Tier::kHot);
  for (const std::string& id : names(0, 20)) filled.replace(id);
  EXPECT_EQ(filled.store->compact({}).dropped, 20u);
  // A segment of fewer rows that may take the index of the one that went.
  index_all(*filled.store);
  move(*filled.store, names(0, 2), Tier::kWarm);
  EXPECT_EQ(filled.store->compact({}).rewritten, 0u);
  expect_same(*filled.store, filled.model, {});
  filled.reopen();
  expect_same(*filled.store, filled.model, {});
}

TEST(Tiers, RandomOperationsAgreeWithAMapWhateverMoves) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Filled filled(100);
  std::mt19937_64 random(seed);
  for (int step = 0; step < 400; ++step) {
    const std::string id = "id" + std::to_string(random() % 150);
    const auto choice = random() % 100;
    if (choice < 40) {
      filled.replace(id);
    } else if (choice < 55) {
      EXPECT_EQ(filled.store->forget(id, std::nullopt).has_value(), filled.model.erase(id) == 1);
    } else if (choice < 75) {
      const Queue::Batch batch = filled.store->take(1 + random() % 64, Seconds(0));
      if (!batch.chunks.empty()) {
        filled.store->sync_for(batch);
        filled.store->index(batch);
      }
    } else if (choice < 90) {
      std::vector<std::uint64_t> keys;
      std::vector<Tier> targets;
      for (const auto& [each, point] : filled.model) {
        if (random() % 4 != 0) continue;
        keys.push_back(filled.store->key(each).value());
        targets.push_back(static_cast<Tier>(random() % kTiers));
      }
      filled.store->move(keys, targets, {.catalog_lsn = filled.store->indexed_lsn()});
    } else if (choice < 94) {
      filled.store->compact({});
    } else if (choice < 97) {
      filled.store->checkpoint();
    } else {
      if (random() % 2 == 0) filled.reopen();
      expect_same(*filled.store, filled.model, random_point(random));
      if (testing::Test::HasFailure()) return;
    }
  }
  filled.reopen();
  expect_same(*filled.store, filled.model, {});
}

TEST(Tiers, ActivationDecaysIsTouchedByRecallAndGetAndSurvivesMovesAndReopening) {
  Filled filled(30);
  const auto activation_of = [&](const std::string& id, double now) {
    const TierTable table = filled.store->tier_table(now);
    const auto at = std::find(table.keys.begin(), table.keys.end(), filled.store->key(id).value());
    EXPECT_NE(at, table.keys.end());
    return table.activations[static_cast<std::size_t>(at - table.keys.begin())];
  };
  EXPECT_FLOAT_EQ(activation_of("id3", 0), 1);
  EXPECT_FLOAT_EQ(activation_of("id3", kHour), 0.5);
  filled.store->get("id3", kHour);
  EXPECT_FLOAT_EQ(activation_of("id3", kHour), 1.5);
  filled.store->recall(filled.model["id3"].data(), {.k = 1, .now = 2 * kHour});
  EXPECT_FLOAT_EQ(activation_of("id3", 2 * kHour), 1.75);
  move(*filled.store, {"id3", "id4"}, Tier::kCold);
  EXPECT_FLOAT_EQ(activation_of("id3", 3 * kHour), 0.875);
  filled.store->recall(filled.model["id3"].data(), {.k = 1, .now = 3 * kHour});
  EXPECT_FLOAT_EQ(activation_of("id3", 3 * kHour), 1.875);
  filled.reopen();
  EXPECT_FLOAT_EQ(activation_of("id3", 3 * kHour), 1.875);
  move(*filled.store, {"id3"}, Tier::kHot);
  EXPECT_FLOAT_EQ(activation_of("id3", 3 * kHour), 1.875);
  put(*filled.store, "id3", filled.model["id3"], 4 * kHour);  // stored again: touched, not begun anew
  index_all(*filled.store);
  EXPECT_FLOAT_EQ(activation_of("id3", 4 * kHour), 1.9375);
}

TEST(Tiers, ATierThatIsOutOfTimeSaysSoAndTheQueueIsSearchedAllTheSame) {
  Filled filled(40);
  move(*filled.store, names(0, 10), Tier::kWarm);
  move(*filled.store, names(10, 20), Tier::kCold);
  filled.replace("pending");
  const Point cue = filled.model["pending"];
  const Recalled cut = filled.store->recall(cue.data(), {.k = 50, .total_us = 0});
  EXPECT_FALSE(cut.complete());
  ASSERT_GE(cut.hits.size(), 1u);
  EXPECT_EQ(cut.hits.front().id, "pending");
  for (const TierSearch& tier : cut.tiers) EXPECT_TRUE(tier.asked && tier.truncated);
  const Recalled cold_cut =
      filled.store->recall(cue.data(), {.k = 50, .budgets_us = {kNoLimit, kNoLimit, 0}});
  EXPECT_FALSE(cold_cut.complete());
  EXPECT_FALSE(cold_cut.tiers[0].truncated || cold_cut.tiers[1].truncated);
  EXPECT_EQ(cold_cut.tiers[1].found, 10u);
  const Recalled warm = filled.store->recall(cue.data(), {.k = 50, .tiers = {false, true, false}});
  EXPECT_TRUE(warm.complete());
  EXPECT_EQ(warm.hits.size(), 10u);
  EXPECT_FALSE(warm.tiers[0].asked);
}

TEST(Tiers, AStoreInRamSaysThatItHasNoOtherTier) {
  Options options;
  options.dim = kDimensions;
  const std::unique_ptr<Store> store = open(options);
  EXPECT_THROW(store->move({}, {}, {}), InvalidInput);
  EXPECT_THROW(store->compact({}), InvalidInput);
}

TEST(Tiers, AMoveThatIsGivenUpLeavesEverythingWhereItWas) {
  Filled filled(40);
  std::vector<std::uint64_t> keys;
  for (const std::string& id : names(0, 40)) keys.push_back(filled.store->key(id).value());
  const std::vector<Tier> targets(keys.size(), Tier::kCold);
  const MoveOptions how{.catalog_lsn = filled.store->indexed_lsn(), .bytes_per_second = 1, .on_wait = [] {
                          throw Error("given up");
                        }};
  EXPECT_THROW(filled.store->move(keys, targets, how), Error);
  EXPECT_EQ(filled.files_ending(".cold") + filled.files_ending(".vectors"), 0u);
  expect_same(*filled.store, filled.model, {});
  EXPECT_EQ(move(*filled.store, names(0, 40), Tier::kCold).moved[0][2], 40u);
  expect_same(*filled.store, filled.model, {});
}

}  // namespace
}  // namespace engram::engine
