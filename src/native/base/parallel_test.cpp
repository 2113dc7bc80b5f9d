#include "base/parallel.h"

#include <gtest/gtest.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace engram {
namespace {

TEST(Parallel, EveryIndexIsHandedOutOnce) {
  for (const std::size_t count : {1, 2, 7, 64, 1000, 4097}) {
    for (const std::size_t block : {0, 1, 3, 64, 5000}) {
      for (const std::size_t threads : {0, 1, 2, 5, 16}) {
        SCOPED_TRACE(std::to_string(count) + " in blocks of " + std::to_string(block) + " by " +
                     std::to_string(threads));
        std::vector<std::atomic<int>> seen(count);
        std::atomic<bool> in_bounds = true;
        parallel_for(count, block, threads, [&](std::size_t worker, std::size_t begin, std::size_t end) {
          if (worker >= std::max<std::size_t>(1, threads) || begin >= end || end > count ||
              end - begin > std::max<std::size_t>(1, block)) {
            in_bounds = false;
          }
          for (std::size_t i = begin; i < end; ++i) ++seen[i];
        });
        EXPECT_TRUE(in_bounds);
        for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(seen[i], 1) << "index " << i;
      }
    }
  }
}

TEST(Parallel, NothingToDoCallsNothing) {
  parallel_for(0, 10, 4, [](std::size_t, std::size_t, std::size_t) { FAIL(); });
}

TEST(Parallel, OneThreadIsTheCallerInOrder) {
  std::vector<std::size_t> begins;
  parallel_for(100, 7, 1, [&](std::size_t worker, std::size_t begin, std::size_t) {
    EXPECT_EQ(worker, 0u);
    begins.push_back(begin);  // no lock: there is no other thread
  });
  ASSERT_EQ(begins.size(), 15u);
  for (std::size_t i = 0; i < begins.size(); ++i) EXPECT_EQ(begins[i], i * 7);
}

TEST(Parallel, AWorkerIsNeverTwoThreadsAtOnce) {
  constexpr std::size_t kThreads = 4;
  std::vector<std::size_t> per_worker(kThreads);  // unsynchronised: ThreadSanitizer judges
  parallel_for(10'000, 1, kThreads, [&](std::size_t worker, std::size_t begin, std::size_t end) {
    per_worker[worker] += end - begin;
  });
  std::size_t total = 0;
  for (const std::size_t done : per_worker) total += done;
  EXPECT_EQ(total, 10'000u);
}

TEST(Parallel, WhatWorkersWroteIsSeenByTheCaller) {
  std::vector<int> squares(5000);
  parallel_for(squares.size(), 16, 3, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) squares[i] = static_cast<int>(i * i);
  });
  for (std::size_t i = 0; i < squares.size(); ++i) ASSERT_EQ(squares[i], static_cast<int>(i * i));
}

TEST(Parallel, AnExceptionReachesTheCallerAndStopsTheRest) {
  for (const std::size_t threads : {1, 4}) {
    std::atomic<std::size_t> blocks = 0;
    try {
      parallel_for(1'000'000, 1, threads, [&](std::size_t, std::size_t begin, std::size_t) {
        ++blocks;
        if (begin == 10) throw std::runtime_error("block 10");
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "block 10");
    }
    if (threads == 1) {
      EXPECT_EQ(blocks, 11u);
    }
  }
}

TEST(Parallel, WhenAllThrowOneOfThemArrives) {
  EXPECT_THROW(parallel_for(100, 1, 8,
                            [](std::size_t, std::size_t begin, std::size_t) {
                              throw std::out_of_range(std::to_string(begin));
                            }),
               std::out_of_range);
}

TEST(Parallel, NestsAsItIs) {
  std::atomic<std::size_t> total = 0;
  parallel_for(8, 1, 2, [&](std::size_t, std::size_t, std::size_t) {
    parallel_for(100, 9, 2, [&](std::size_t, std::size_t begin, std::size_t end) { total += end - begin; });
  });
  EXPECT_EQ(total, 800u);
}

TEST(Parallel, ThreadCountTakesWhatIsAskedOrWhatThereIs) {
  EXPECT_EQ(thread_count(7), 7u);
  EXPECT_GE(thread_count(0), 1u);
}

#if defined(__linux__)
TEST(Parallel, ThreadCountKeepsToTheProcessorsThisThreadMayRunOn) {
  std::size_t counted = 0;
  std::thread([&counted] {  // the affinity set here ends with the thread
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    counted = thread_count(0);
  })
      .join();
  EXPECT_EQ(counted, 1u);
}

TEST(Parallel, WorkThatNobodyWaitsForRunsBelowTheCallerAndLeavesItAsItWas) {
  const int policy = sched_getscheduler(0);
  const int nice = getpriority(PRIO_PROCESS, 0);
  const auto count_in = [&](Priority priority, auto&& is_so) {
    std::atomic<int> count{0};
    parallel_for(8, 1, 2, [&](std::size_t, std::size_t, std::size_t) { count += is_so() ? 1 : 0; }, priority);
    EXPECT_EQ(sched_getscheduler(0), policy);
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), nice);
    return count.load();
  };
  const auto is_idle = [] { return sched_getscheduler(0) == SCHED_IDLE; };
  const auto is_nicer = [nice] {
    return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())) == std::min(19, std::max(nice, 10));
  };
  EXPECT_EQ(count_in(Priority::kIdle, is_idle), 8);
  if (policy != SCHED_IDLE) {  // else these tests are run that way
    EXPECT_EQ(count_in(Priority::kBackground, is_idle), 0);
    EXPECT_EQ(count_in(Priority::kBackground, is_nicer), 8);
    EXPECT_EQ(count_in(Priority::kCaller, is_idle), 0);
  }
}
#endif

}  // namespace
}  // namespace engram
