// Recalls of a store of which a page that holds ids is damaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault_file.h"
#include "engine/tiers_testing.h"
#include "tier/format.h"

namespace engram::engine {
namespace {

using tier::format::Section;

constexpr int kLower = 60;  // memories of one segment, whose ids take several pages
constexpr int kHot = 5;
const Path kFolder = "/data/store";

std::string long_id(int number) {
  return "id" + std::to_string(number) + std::string(250, '-');
}

struct Lowered {
  FaultFileSystem files;
  Options options;
  std::unique_ptr<Store> store;
  Path segment;

  explicit Lowered(Tier tier) {
    files.make_folder("/data");
    options.folder = kFolder;
    options.dim = kDimensions;
    options.metric = hnsw::Metric::kL2;
    options.threads = 1;
    options.sync = wal::Sync::kNever;
    store = open(options, files);
    std::vector<std::string> lower;
    for (int i = 0; i < kLower; ++i) lower.push_back(long_id(i));
    for (int i = 0; i < kLower + kHot; ++i) put(*store, long_id(i), {static_cast<float>(i)});
    index_all(*store);
    move(*store, lower, tier);
    const std::string ending = tier == Tier::kWarm ? ".warm" : ".cold";
    for (const std::string& name : files.list(kFolder)) {
      if (name.ends_with(ending)) segment = kFolder / name;
    }
  }

  // Of a page that was not looked at since the segment was opened.
  void damage(Section which) {
    store = nullptr;
    const std::unique_ptr<File> file = files.open(segment, OpenMode::kRead);
    std::vector<std::byte> first(tier::format::kPage);
    file->read_at(0, first);
    const auto header = tier::format::decode_header(first, file->size(), segment);
    files.flip(segment, header.section(which).offset + 3, 5);
    store = open(options, files);
  }

  Recalled recall() const {
    const Point cue{};
    return store->recall(cue.data(), {.k = kLower + kHot});
  }
};

TEST(RecallOfDamage, AMemoryWhoseIdCannotBeReadIsLeftOutAndTheOthersAreRecalled) {
  for (const Tier tier : {Tier::kWarm, Tier::kCold}) {
    Lowered lowered(tier);
    lowered.damage(Section::kIds);
    const auto at = static_cast<std::size_t>(tier);
    for (std::uint64_t times = 1; times <= 2; ++times) {
      const Recalled recalled = lowered.recall();
      EXPECT_FALSE(recalled.complete());
      EXPECT_FALSE(recalled.tiers[at].truncated);
      // Of several pages one.
      EXPECT_GE(recalled.tiers[at].unnamed, 10u);
      EXPECT_LE(recalled.tiers[at].unnamed, 20u);
      EXPECT_EQ(recalled.hits.size() + recalled.tiers[at].unnamed, kLower + kHot);
      EXPECT_NE(recalled.damage.find(lowered.segment.string()), std::string::npos) << recalled.damage;
      for (const Found& hit : recalled.hits) {
        const int number = std::stoi(hit.id.substr(2));
        EXPECT_EQ(hit.id, long_id(number));
        EXPECT_EQ(hit.distance, static_cast<float>(number * number));
      }
      EXPECT_EQ(lowered.store->stats().at(kTierNames[at]).at("unnamed"),
                static_cast<double>(times * recalled.tiers[at].unnamed));
    }
    EXPECT_THROW(lowered.store->verify(), CorruptionError);
  }
}

TEST(RecallOfDamage, WhereNoIdOfASegmentCanBeFoundTheOtherTiersAnswerAndTheStoreGoesOn) {
  Lowered lowered(Tier::kCold);
  lowered.damage(Section::kTags);
  Recalled recalled = lowered.recall();
  EXPECT_FALSE(recalled.complete());
  EXPECT_EQ(recalled.hits.size(), kHot);
  EXPECT_EQ(recalled.tiers[2].unnamed, kLower);
  for (int i = 0; i < kLower; ++i) put(*lowered.store, long_id(i), {static_cast<float>(i)});
  recalled = lowered.recall();
  EXPECT_TRUE(recalled.complete());
  EXPECT_EQ(recalled.hits.size(), kLower + kHot);
  EXPECT_TRUE(recalled.damage.empty());
}

}  // namespace
}  // namespace engram::engine
