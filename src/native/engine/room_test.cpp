#include "engine/room.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"

namespace engram::engine {
namespace {

const std::function<void()> kNothing = [] {};

TEST(Room, WhatIsTakenIsBoundedInMemoriesAndInBytes) {
  Room room({10, 1000});
  EXPECT_TRUE(room.take({10, 100}, Seconds(0), kNothing));
  EXPECT_FALSE(room.take({1, 1}, Seconds(0), kNothing));
  room.give_back({5, 50});
  EXPECT_FALSE(room.take({1, 951}, Seconds(0.001), kNothing));
  EXPECT_TRUE(room.take({1, 950}, Seconds(0), kNothing));
  EXPECT_EQ(room.taken().memories, 6U);
  EXPECT_EQ(room.taken().bytes, 1000U);
  EXPECT_EQ(room.most().memories, 10U);
}

TEST(Room, OneThatIsLargerThanAllGoesAlone) {
  Room room({10, 1000});
  EXPECT_TRUE(room.take({50, 9000}, Seconds(0), kNothing));
  EXPECT_FALSE(room.take({1, 1}, Seconds(0), kNothing));
  room.give_back({50, 9000});
  EXPECT_TRUE(room.take({1, 1}, Seconds(0), kNothing));
}

TEST(Room, ALargeOneIsNotPassedBySmallOnes) {
  Room room({10, 1000});
  ASSERT_TRUE(room.take({6, 0}, Seconds(0), kNothing));
  std::atomic<bool> waits{false};
  std::thread large([&] { EXPECT_TRUE(room.take({8, 0}, std::nullopt, [&] { waits = true; })); });
  while (!waits) std::this_thread::yield();
  EXPECT_FALSE(room.take({1, 0}, Seconds(0), kNothing)) << "there is room, but somebody was here before";
  room.give_back({6, 0});
  large.join();
  EXPECT_EQ(room.taken().memories, 8U);
  EXPECT_TRUE(room.take({1, 0}, Seconds(0), kNothing));
}

TEST(Room, WhoGivesUpLeavesTheLineToTheNext) {
  Room room({10, 1000});
  ASSERT_TRUE(room.take({9, 0}, Seconds(0), kNothing));
  std::atomic<bool> waits{false};
  std::atomic<bool> give_up{false};
  std::thread large([&] {
    EXPECT_THROW(room.take({10, 0}, std::nullopt,
                           [&] {
                             waits = true;
                             if (give_up) throw std::runtime_error("a signal");
                           }),
                 std::runtime_error);
  });
  while (!waits) std::this_thread::yield();
  std::thread small([&] { EXPECT_TRUE(room.take({1, 0}, std::nullopt, kNothing)); });
  give_up = true;
  large.join();
  small.join();
  EXPECT_EQ(room.taken().memories, 10U);
}

TEST(Room, AnInterruptEndsEveryWaitAndNoLaterOne) {
  Room room({1, 1000});
  ASSERT_TRUE(room.take({1, 0}, Seconds(0), kNothing));
  std::atomic<int> waiting{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      bool told = false;
      EXPECT_FALSE(room.take({1, 0}, std::nullopt, [&] { waiting += told ? 0 : 1, told = true; }));
    });
  }
  while (waiting < 3) std::this_thread::yield();
  room.interrupt();
  for (std::thread& thread : threads) thread.join();
  std::thread later([&] { EXPECT_TRUE(room.take({1, 0}, std::nullopt, kNothing)); });
  room.give_back({1, 0});
  later.join();
}

TEST(Room, ClosingEndsEveryWaitWithAnError) {
  Room room({1, 1000});
  ASSERT_TRUE(room.take({1, 0}, Seconds(0), kNothing));
  std::thread waiting([&] { EXPECT_THROW(room.take({1, 0}, std::nullopt, kNothing), StoreClosed); });
  room.close();
  waiting.join();
  room.give_back({1, 0});
  EXPECT_THROW(room.take({1, 0}, Seconds(0), kNothing), StoreClosed);
}

TEST(Room, ManyAtOnceNeverHaveMoreThanThereIs) {
  Room room({100, 100'000});
  std::atomic<std::size_t> taken{0};
  std::vector<std::thread> threads;
  for (std::size_t number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const Load load{number * 8 + i % 5, number * 100};
        ASSERT_TRUE(room.take(load, std::nullopt, kNothing));
        EXPECT_LE(taken.fetch_add(load.memories) + load.memories, 100U);
        taken.fetch_sub(load.memories);
        room.give_back(load);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(room.taken().memories, 0U);
  EXPECT_EQ(room.taken().bytes, 0U);
  EXPECT_LE(room.most().memories, 100U);
}

}  // namespace
}  // namespace engram::engine
