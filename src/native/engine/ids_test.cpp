#include "engine/ids.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_map>

namespace engram::engine {
namespace {

TEST(IdTable, AgreesWithAMapOverRandomAddsMovesAndErasures) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  IdTable table(seed);
  std::unordered_map<std::string, hnsw::Slot> model;
  std::vector<std::string> names;  // by slot
  const auto at = [&](Place place) { return std::string_view(names[place.slot()]); };

  for (int step = 0; step < 200'000; ++step) {
    const std::string id = "id" + std::to_string(random() % 3000);
    Place* there = table.find(id, at);
    ASSERT_EQ(there != nullptr, model.contains(id)) << id;
    if (there != nullptr) {
      ASSERT_EQ(there->slot(), model[id]);
    }
    const auto slot = static_cast<hnsw::Slot>(names.size());
    if (there != nullptr && random() % 2 == 0) {
      table.erase(there);
      model.erase(id);
    } else {
      names.push_back(id);
      if (there != nullptr) {
        *there = Place::hot(slot);
      } else {
        table.add(id, Place::hot(slot), at);
      }
      model[id] = slot;
    }
    ASSERT_EQ(table.size(), model.size());
  }

  std::size_t visited = 0;
  table.for_each([&](Place place) {
    ++visited;
    ASSERT_EQ(model.at(names[place.slot()]), place.slot());
  });
  EXPECT_EQ(visited, model.size());
}

TEST(IdTable, TellsApartIdsThatDifferInLengthOrInOneByte) {
  IdTable table(1);
  const std::vector<std::string> names{"a", std::string("a\0", 2), std::string("a\0\0", 3),
                                       "b", "aaaaaaaab",           "aaaaaaaac"};
  const auto at = [&](Place place) { return std::string_view(names[place.slot()]); };
  for (hnsw::Slot slot = 0; slot < names.size(); ++slot) table.add(names[slot], Place::hot(slot), at);
  for (hnsw::Slot slot = 0; slot < names.size(); ++slot) EXPECT_EQ(table.find(names[slot], at)->slot(), slot);
  EXPECT_EQ(table.find("aaaaaaaa", at), nullptr);
}

}  // namespace
}  // namespace engram::engine
