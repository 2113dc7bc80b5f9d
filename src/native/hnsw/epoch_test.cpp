#include "hnsw/epoch.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace engram::hnsw {
namespace {

TEST(Epochs, HaveNotPassedWhileAnOlderPinLives) {
  Epochs epochs;
  auto old = std::make_unique<Epochs::Pin>(epochs.pin());
  const std::uint64_t epoch = epochs.advance();
  const Epochs::Pin later = epochs.pin();
  EXPECT_FALSE(epochs.passed(epoch));
  old.reset();
  EXPECT_TRUE(epochs.passed(epoch));
}

TEST(Epochs, HoldAnyNumberOfPins) {
  Epochs epochs;
  std::vector<Epochs::Pin> pins;
  for (int i = 0; i < 300; ++i) pins.push_back(epochs.pin());
  const std::uint64_t epoch = epochs.advance();
  pins.erase(pins.begin(), pins.begin() + 299);
  EXPECT_FALSE(epochs.passed(epoch));
  pins.clear();
  EXPECT_TRUE(epochs.passed(epoch));
}

// Under ThreadSanitizer this fails when a reader could still see what was freed.
TEST(Epochs, ProtectWhatAPinnedReaderSees) {
  Epochs epochs;
  std::vector<int> cells(2, 0);  // plain memory, written only when no reader can see it
  std::atomic<int> shown{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const Epochs::Pin pin = epochs.pin();
        const int which = shown.load(std::memory_order_acquire);
        EXPECT_GE(cells[static_cast<std::size_t>(which)], 0);
      }
    });
  }
  for (int round = 1; round < 200; ++round) {
    const int hidden = 1 - shown.load();
    cells[static_cast<std::size_t>(hidden)] = round;
    shown.store(hidden, std::memory_order_release);
    const std::uint64_t epoch = epochs.advance();
    while (!epochs.passed(epoch)) std::this_thread::yield();
  }
  done = true;
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace engram::hnsw
