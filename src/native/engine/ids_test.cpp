#include "engine/ids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace engram::engine {
namespace {

TEST(Place, TellsApartTheThreeKindsAndKeepsTheirNumbers) {
  EXPECT_TRUE(Place::pending(nullptr).is_pending());
  const Place hot = Place::hot(hnsw::kMaxSlots - 1);
  EXPECT_TRUE(hot.is_hot() && !hot.is_pending() && !hot.is_tier());
  EXPECT_EQ(hot.slot(), hnsw::kMaxSlots - 1);
  const Place row = Place::tier(Place::kMostSegments - 1, 0xFFFFFFFFU);
  EXPECT_TRUE(row.is_tier() && !row.is_pending() && !row.is_hot());
  EXPECT_EQ(row.segment(), Place::kMostSegments - 1);
  EXPECT_EQ(row.row(), 0xFFFFFFFFU);
}

TEST(IdTable, AgreesWithAMapOverRandomAddsMovesAndErasures) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  IdTable table(seed);
  std::unordered_map<std::string, hnsw::Slot> model;
  std::vector<std::string> names;  // by slot

  for (int step = 0; step < 200'000; ++step) {
    const std::string id = "id" + std::to_string(random() % 3000);
    const std::uint64_t hash = table.hash(id);
    Place* there = table.find(hash, [&](Place place) { return names[place.slot()] == id; });
    ASSERT_EQ(there != nullptr, model.contains(id)) << id;
    if (there != nullptr) {
      ASSERT_EQ(there->slot(), model[id]);
      ASSERT_EQ(table.find(hash, Place::hot(model[id])), there);
    }
    const auto slot = static_cast<hnsw::Slot>(names.size());
    ASSERT_EQ(table.find(hash, Place::hot(slot)), nullptr);
    if (there != nullptr && random() % 2 == 0) {
      table.erase(there);
      model.erase(id);
    } else {
      names.push_back(id);
      if (there != nullptr) {
        *there = Place::hot(slot);
      } else {
        table.add(hash, Place::hot(slot));
      }
      model[id] = slot;
    }
    ASSERT_EQ(table.size(), model.size());
  }

  std::size_t visited = 0;
  table.for_each([&](std::uint64_t hash, Place place) {
    ++visited;
    ASSERT_EQ(hash, table.hash(names[place.slot()]));
    ASSERT_EQ(model.at(names[place.slot()]), place.slot());
  });
  EXPECT_EQ(visited, model.size());
}

TEST(IdTable, TellsApartIdsThatDifferInLengthOrInOneByte) {
  IdTable table(1);
  const std::vector<std::string> names{"a", std::string("a\0", 2), std::string("a\0\0", 3),
                                       "b", "aaaaaaaab",           "aaaaaaaac"};
  const auto find = [&](const std::string& id) {
    return table.find(table.hash(id), [&](Place place) { return names[place.slot()] == id; });
  };
  for (hnsw::Slot slot = 0; slot < names.size(); ++slot) table.add(table.hash(names[slot]), Place::hot(slot));
  for (hnsw::Slot slot = 0; slot < names.size(); ++slot) EXPECT_EQ(find(names[slot])->slot(), slot);
  EXPECT_EQ(find("aaaaaaaa"), nullptr);
}

TEST(IdTable, LeavesRoomForTheActivationWithin32BytesAMemoryAtEverySize) {
  std::mt19937_64 random(7);
  IdTable table(1);
  constexpr double kActivationAndDeadBit = 8 + 1.0 / 8;
  double worst = 0;
  for (hnsw::Slot slot = 0; slot < 300'000; ++slot) {
    table.add(random() | 1, Place::hot(slot));
    if (slot < 1000) continue;
    const double cells = static_cast<double>(table.memory_bytes()) / (slot + 1.0);
    worst = std::max(worst, cells + kActivationAndDeadBit);
  }
  EXPECT_LE(worst, 32);

  IdTable reserved(1);
  reserved.reserve(300'000);
  const std::size_t before = reserved.memory_bytes();
  for (hnsw::Slot slot = 0; slot < 300'000; ++slot) reserved.add(random() | 1, Place::hot(slot));
  EXPECT_EQ(reserved.memory_bytes(), before);
  EXPECT_LE(static_cast<double>(before) / 300'000 + kActivationAndDeadBit, 32);
}

TEST(IdTable, NeverGrowsByMuchAtOnceWhenItIsLarge) {
  std::mt19937_64 random(11);
  IdTable table(1);
  std::size_t before = table.memory_bytes();
  for (hnsw::Slot slot = 0; slot < 500'000; ++slot) {
    table.add(random() | 1, Place::hot(slot));
    const std::size_t now = table.memory_bytes();
    if (slot > 200'000) {
      ASSERT_LE(now - before, now / 64) << slot;
    }
    before = now;
  }
}

TEST(IdTable, FindsTheSameAfterItIsCutIntoParts) {
  std::mt19937_64 random(13);
  IdTable table(1);
  std::vector<std::uint64_t> hashes;
  for (hnsw::Slot slot = 0; slot < 200'000; ++slot) {
    hashes.push_back(random() | 1);
    table.add(hashes.back(), Place::hot(slot));
  }
  for (hnsw::Slot slot = 0; slot < hashes.size(); slot += 2) {
    table.erase(table.find(hashes[slot], Place::hot(slot)));
  }
  ASSERT_EQ(table.size(), hashes.size() / 2);
  for (hnsw::Slot slot = 0; slot < hashes.size(); ++slot) {
    const Place* found = table.find(hashes[slot], Place::hot(slot));
    ASSERT_EQ(found != nullptr, slot % 2 == 1) << slot;
  }
  std::size_t visited = 0;
  table.for_each([&](std::uint64_t hash, Place place) {
    ASSERT_EQ(hash, hashes[place.slot()]);
    ++visited;
  });
  EXPECT_EQ(visited, table.size());
}

}  // namespace
}  // namespace engram::engine
