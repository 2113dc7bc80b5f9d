#include "engine/queue.h"

#include <gtest/gtest.h>

#include <array>

namespace engram::engine {
namespace {

constexpr std::size_t kCodeBytes = 32;

class Queued : public testing::Test {
 protected:
  Queued() { queue_.use_codes(kCodeBytes); }

  std::shared_ptr<Chunk> push() {
    auto chunk = std::make_shared<Chunk>();
    chunk->memories = std::vector<PendingMemory>(1);
    chunk->codes.resize(kCodeBytes);
    chunk->last_key = chunk->memories[0].key = ++key_;
    queue_.push(std::array{chunk});
    return chunk;
  }

  // How many of the memories that wait a recall that begins now would look at.
  std::size_t seen() const {
    std::size_t count = 0;
    const Queue::View view = queue_.view();
    for (const auto& block : *view.blocks) {
      for (std::size_t i = 0; i < block->count.load(); ++i) {
        count += block->memories[i]->stage.load() == Stage::kQueued ? 1 : 0;
      }
    }
    return count;
  }

  Queue queue_;
  std::uint64_t key_ = 0;
};

TEST_F(Queued, ABlockGoesOnceNothingInItWaits) {
  const std::shared_ptr<Chunk> first = push();
  const std::shared_ptr<Chunk> second = push();
  first->memories[0].stage = Stage::kInGraph;
  queue_.trim();
  EXPECT_EQ(seen(), 1u);
  second->memories[0].stage = Stage::kPassedOver;
  queue_.trim();
  EXPECT_TRUE(queue_.view().blocks->empty());
  push();
  EXPECT_EQ(seen(), 1u);
}

// What comes between the look at a block and its going waits there, whether the block is still the one that
// is filled or full by then.
TEST_F(Queued, ABlockThatWasFilledSinceItWasLookedAtStays) {
  for (const std::size_t more : {1, 2, 300}) {
    for (std::size_t i = 0; i < Queue::kBlockMemories - 1; ++i) {
      push()->memories[0].stage = Stage::kInGraph;
    }
    const Queue::Finished finished = queue_.finished();
    ASSERT_EQ(finished.size(), 1u);
    std::vector<std::shared_ptr<Chunk>> waiting;
    for (std::size_t i = 0; i < more; ++i) waiting.push_back(push());
    queue_.let_go(finished);
    EXPECT_EQ(seen(), more);
    for (const auto& chunk : waiting) chunk->memories[0].stage = Stage::kInGraph;
    queue_.trim();
    EXPECT_TRUE(queue_.view().blocks->empty());
  }
}

}  // namespace
}  // namespace engram::engine
