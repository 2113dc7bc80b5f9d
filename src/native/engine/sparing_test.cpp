// What those who store and those who index owe to those who recall.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <string>
#include <thread>

#include "engine/store_testing.h"

namespace engram::engine {
namespace {

constexpr std::size_t kCalls = 4 * Toll::kFull;

// The indexer rests, so the queue only grows. How many of kCalls stores paused.
std::size_t pauses(const Options& how, bool recalled) {
  FaultFileSystem files;
  files.make_folder("/data");
  Store store(files, how);
  store.recover([] {});
  const Vector cue{};
  for (std::size_t i = 0; i < kCalls; ++i) {
    Operation{Operation::Kind::kPut, {std::to_string(i)}, {Vector{static_cast<float>(i)}}}.apply(store);
    if (recalled) store.recall(cue.data(), {});
  }
  return static_cast<std::size_t>(store.stats()["queue"]["pauses"]);
}

TEST(Sparing, AWriterAheadOfTheIndexerPausesWhenSomebodyRecalls) {
  const std::size_t paused = pauses(options(wal::Sync::kAlways), true);
  EXPECT_LE(paused, kCalls * 2 / 5);
  EXPECT_GE(paused, (kCalls - Toll::kFull) * 2 / 5);
}

TEST(Sparing, NobodyPausesForRecallsThatDoNotCome) {
  EXPECT_EQ(pauses(options(wal::Sync::kAlways), false), 0u);
}

TEST(Sparing, WhoeverDoesNotWaitForTheDiskDoesNotPause) {
  EXPECT_EQ(pauses(options(wal::Sync::kNever), true), 0u);
  EXPECT_EQ(pauses(options(wal::Sync::kInterval), true), 0u);
  Options in_ram = options(wal::Sync::kAlways);
  in_ram.folder.reset();
  EXPECT_EQ(pauses(in_ram, true), 0u);
}

// A recall asks for one pause at the most.
TEST(Sparing, OneRecallIsPaidForOnce) {
  FaultFileSystem files;
  files.make_folder("/data");
  Store store(files, options(wal::Sync::kAlways));
  store.recover([] {});
  for (std::size_t i = 0; i < kCalls; ++i) {
    Operation{Operation::Kind::kPut, {std::to_string(i)}, {Vector{}}}.apply(store);
    if (i == kCalls / 2) store.recall(Vector{}.data(), {});
  }
  EXPECT_EQ(store.stats()["queue"]["pauses"], 1);
}

// Whoever asks must not wait for a batch, which may take seconds: this would hang.
TEST(Sparing, HowMuchAnOpenWouldReplayIsToldWhileABatchIsIndexed) {
  FaultFileSystem files;
  files.make_folder("/data");
  const Store* self = nullptr;
  std::uint64_t told = 1;
  Options how = options(wal::Sync::kAlways);
  how.before_insert = [&](std::string_view) { told = self->checkpoint_lsn(); };
  Store store(files, how);
  self = &store;
  store.recover([] {});
  Operation{Operation::Kind::kPut, {"a"}, {Vector{}}}.apply(store);
  drain(store);
  EXPECT_EQ(told, 0u);
  const std::uint64_t lsn = store.checkpoint();
  EXPECT_GT(lsn, 0u);
  EXPECT_EQ(store.checkpoint_lsn(), lsn);
}

#if defined(__linux__)
TEST(Sparing, WhoeverBeginsToWaitForTheIndexIsNotKeptByAPieceUnderWay) {
  if (sched_getscheduler(0) == SCHED_IDLE) GTEST_SKIP() << "these tests run at that priority themselves";
  constexpr int kMemories = 32;  // one piece
  Store* self = nullptr;
  int idle = 0, others = 0;
  std::thread waiting;
  Options how = options(wal::Sync::kAlways);
  how.folder.reset();
  how.before_insert = [&](std::string_view) {
    ++(sched_getscheduler(0) == SCHED_IDLE ? idle : others);
    if (idle != 5 || others != 0) return;
    waiting = std::thread([&] { EXPECT_TRUE(self->wait_indexed(self->visible_lsn() - 1, std::nullopt)); });
    while (!self->is_awaited()) std::this_thread::yield();
  };
  Store store(FileSystem::system(), how);
  self = &store;
  store.recover([] {});
  for (int i = 0; i < kMemories; ++i) {
    Operation{Operation::Kind::kPut, {std::to_string(i)}, {Vector{}}}.apply(store);
  }
  store.index(store.take(kMemories, Seconds(0)), Priority::kIdle);
  store.committed(store.uncommitted());
  waiting.join();
  EXPECT_EQ(idle, 5);
  EXPECT_EQ(others, kMemories - 5);
}
#endif

}  // namespace
}  // namespace engram::engine
