#include "base/per_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace engram {
namespace {

struct Counted {
  Counted() { alive.fetch_add(1); }
  ~Counted() { alive.fetch_sub(1); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  int value = 0;
  static inline std::atomic<int> alive{0};
};

TEST(PerThread, EachThreadHasItsOwnUntilItEnds) {
  static auto& kept = PerThread<Counted>::make();
  kept.get().value = 7;
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([number] {
      EXPECT_EQ(kept.get().value, 0);
      kept.get().value = number;
      EXPECT_EQ(kept.get().value, number);
      EXPECT_EQ(&kept.get(), &kept.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kept.get().value, 7);
  EXPECT_EQ(Counted::alive.load(), 1);
}

TEST(PerThread, WhatCannotBeMadeIsMadeLater) {
  static bool refuse = true;
  struct Refusing {
    Refusing() {
      if (refuse) throw std::bad_alloc();
    }
    int value = 3;
  };
  static auto& kept = PerThread<Refusing>::make();
  EXPECT_THROW(kept.get(), std::bad_alloc);
  refuse = false;
  EXPECT_EQ(kept.get().value, 3);
}

TEST(PerThread, ThreadsHaveDifferentNumbers) {
  std::vector<std::size_t> numbers(8);
  std::vector<std::thread> threads;
  for (std::size_t& number : numbers) {
    threads.emplace_back([&number] {
      number = thread_number();
      EXPECT_EQ(thread_number(), number);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set(numbers.begin(), numbers.end()).size(), numbers.size());
  EXPECT_EQ(std::set(numbers.begin(), numbers.end()).count(0), 0U);
}

}  // namespace
}  // namespace engram
