#include "engine/pending_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/entry.h"

namespace engram::engine {
namespace {

using hnsw::Metric;
using Rows = std::vector<std::vector<float>>;

// A queue of some memories, and a judge that knows no codes.
class Pending {
 public:
  Pending(Metric metric, std::size_t dim) : metric_(metric), dim_(dim), coder_(metric, dim) {
    queue_.use_codes(coder_.code_bytes());
  }

  void add(const std::vector<float>& vector) {
    const std::string id = std::to_string(memories_.size());
    Entry entry;
    entry.id = id;
    entry.vector = reinterpret_cast<const std::byte*>(vector.data());
    std::vector<std::byte> payload;
    encode(entry, dim_, payload);
    const std::shared_ptr<Chunk> chunk = make_chunk(std::move(payload), dim_, "test", coder_);
    chunk->last_key = 8 * (memories_.size() + 1);
    chunk->memories[0].key = chunk->last_key;
    memories_.push_back(&chunk->memories[0]);
    queue_.push(std::array{chunk});
  }

  PendingMemory& memory(std::size_t i) { return *memories_[i]; }
  std::size_t size() const { return memories_.size(); }

  std::vector<float> found(const std::vector<float>& cue, std::size_t k, std::uint64_t snapshot,
                           std::size_t* ranked = nullptr) const {
    PendingScan scan(coder_, cue.data(), snapshot, k);
    for (const auto& block : *queue_.view().blocks) scan.scan(*block);
    if (ranked != nullptr) *ranked = scan.ranked();
    std::vector<float> distances;
    for (const PendingHit& hit : scan.nearest()) distances.push_back(hit.distance);
    std::sort(distances.begin(), distances.end());
    return distances;
  }

  std::vector<float> truth(const std::vector<float>& cue, std::size_t k, std::uint64_t snapshot) const {
    std::vector<float> distances;
    for (const PendingMemory* memory : memories_) {
      if (memory->stage == Stage::kInGraph || !memory->counts_at(snapshot)) continue;
      distances.push_back(coder_.distance(cue.data(), memory->vector));
    }
    std::sort(distances.begin(), distances.end());
    distances.resize(std::min(k, distances.size()));
    return distances;
  }

 private:
  Metric metric_;
  std::size_t dim_;
  Coder coder_;
  Queue queue_;
  std::vector<PendingMemory*> memories_;
};

// Vectors that 8-bit codes can tell apart well, badly, or not at all.
const std::map<std::string, std::vector<float> (*)(std::mt19937_64&, std::size_t)> kKinds{
    {"gaussian",
     [](std::mt19937_64& random, std::size_t dim) {
       std::normal_distribution<float> normal;
       std::vector<float> vector(dim);
       for (float& x : vector) x = normal(random);
       return vector;
     }},
    {"far away and near each other",
     [](std::mt19937_64& random, std::size_t dim) {
       std::normal_distribution<float> normal(1000.0F, 0.01F);
       std::vector<float> vector(dim);
       for (float& x : vector) x = normal(random);
       return vector;
     }},
    {"now and then huge",
     [](std::mt19937_64& random, std::size_t dim) {
       std::normal_distribution<float> normal;
       const float factor = random() % 50 == 0 ? 1e15F : 1.0F;
       std::vector<float> vector(dim);
       for (float& x : vector) x = factor * normal(random);
       return vector;
     }},
    {"one long axis",
     [](std::mt19937_64& random, std::size_t dim) {
       std::normal_distribution<float> normal;
       std::vector<float> vector(dim, 0.001F * normal(random));
       vector[random() % dim] = 100 * normal(random);
       return vector;
     }},
    {"a few lattice points",
     [](std::mt19937_64& random, std::size_t dim) {
       std::vector<float> vector(dim, 1.0F);
       for (std::size_t i = 0; i < std::min<std::size_t>(dim, 4); ++i) vector[i] = float(random() % 3);
       return vector;
     }},
};

TEST(PendingScan, FindsWhatAScanOfAllVectorsFinds) {
  for (const auto& [name, draw] : kKinds) {
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
      for (const std::size_t dim : {1, 7, 64, 200}) {
        SCOPED_TRACE(name + ", metric " + std::to_string(int(metric)) + ", dim " + std::to_string(dim));
        std::mt19937_64 random(dim);
        Pending pending(metric, dim);
        for (int i = 0; i < 1500; ++i) {
          std::vector<float> vector = draw(random, dim);
          if (std::all_of(vector.begin(), vector.end(), [](float x) { return x == 0; })) vector[0] = 1;
          pending.add(vector);
        }
        for (int i = 0; i < 300; ++i) {
          PendingMemory& memory = pending.memory(random() % pending.size());
          if (i % 3 == 0) memory.stage = Stage::kInGraph;
          if (i % 3 == 1) memory.dead_at = memory.key + 8 * (random() % 1000);
          if (i % 3 == 2) memory.stage = Stage::kPassedOver;
        }
        for (const std::size_t k : {1, 10, 700, 5000}) {
          const std::uint64_t snapshot = 8 * (1 + random() % pending.size());
          const std::vector<float> cue = draw(random, dim);
          ASSERT_EQ(pending.found(cue, k, snapshot), pending.truth(cue, k, snapshot)) << "k " << k;
        }
      }
    }
  }
}

TEST(PendingScan, RanksFewOfManyOnFullVectors) {
  std::mt19937_64 random(1);
  Pending pending(Metric::kL2, 128);
  for (int i = 0; i < 20'000; ++i) pending.add(kKinds.at("gaussian")(random, 128));
  std::size_t ranked = 0;
  const std::vector<float> cue = kKinds.at("gaussian")(random, 128);
  EXPECT_EQ(pending.found(cue, 10, ~0ULL - 1, &ranked), pending.truth(cue, 10, ~0ULL - 1));
  EXPECT_LT(ranked, 2000U);  // a scan without codes ranks all 20,000
}

TEST(PendingScan, AnEmptyQueueHasNothing) {
  const Pending pending(Metric::kL2, 3);
  EXPECT_TRUE(pending.found({1, 2, 3}, 5, 100).empty());
}

}  // namespace
}  // namespace engram::engine
