#include "base/occupancy.h"

#include <gtest/gtest.h>

#if defined(__linux__)
#include <sched.h>

#include <functional>
#include <list>
#include <thread>
#include <vector>

namespace engram {
namespace {

cpu_set_t allowed() {
  cpu_set_t set;
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

std::vector<std::size_t> members(const cpu_set_t& set) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) found.push_back(i);
  }
  return found;
}

void pin_to(std::size_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  ASSERT_EQ(::sched_setaffinity(0, sizeof set, &set), 0);
}

// In a thread of its own, whose affinity ends with it.
void in_a_thread(const std::function<void()>& body) {
  std::thread(body).join();
}

TEST(Occupancy, AProcessorIsOccupiedForAsLongAsSomethingIsUnderWay) {
  in_a_thread([] {
    const std::vector<std::size_t> all = members(allowed());
    pin_to(all.front());
    Occupancy occupancy;
    EXPECT_FALSE(occupancy.is_here());
    {
      const Occupancy::Stay one(occupancy);
      {
        const Occupancy::Stay two(occupancy);
        EXPECT_TRUE(occupancy.is_here());
        EXPECT_EQ(occupancy.processors(), 1u);
      }
      EXPECT_TRUE(occupancy.is_here());
    }
    EXPECT_FALSE(occupancy.is_here());
    EXPECT_EQ(occupancy.processors(), 0u);
  });
}

TEST(Occupancy, WhoeverStepsAsideStandsOnAFreeProcessorAndMayRunWhereItMight) {
  const cpu_set_t before = allowed();
  const std::vector<std::size_t> all = members(before);
  if (all.size() < 2) GTEST_SKIP() << "one processor";
  for (const std::size_t crowded : all) {
    in_a_thread([&] {
      pin_to(crowded);
      Occupancy occupancy;
      const Occupancy::Stay stay(occupancy);
      ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
      int moves = 0;
      // Once is enough, unless the system moves it back right away.
      while (occupancy.is_here() && moves < 100) moves += occupancy.step_aside() ? 1 : 0;
      EXPECT_LT(moves, 100);
      const cpu_set_t after = allowed();
      EXPECT_TRUE(CPU_EQUAL(&before, &after));
    });
  }
}

TEST(Occupancy, AThreadThatMayNotRunEverywhereStillMayNot) {
  const std::vector<std::size_t> all = members(allowed());
  if (all.size() < 3) GTEST_SKIP() << "two processors or less";
  in_a_thread([&] {
    cpu_set_t two;
    CPU_ZERO(&two);
    CPU_SET(all[0], &two);
    CPU_SET(all[1], &two);
    ASSERT_EQ(::sched_setaffinity(0, sizeof two, &two), 0);
    Occupancy occupancy;
    const Occupancy::Stay stay(occupancy);
    occupancy.step_aside();
    const cpu_set_t after = allowed();
    EXPECT_TRUE(CPU_EQUAL(&two, &after));
  });
}

TEST(Occupancy, WhereAllIsOccupiedNobodyMoves) {
  Occupancy occupancy;
  const cpu_set_t before = allowed();
  std::list<Occupancy::Stay> stays;
  in_a_thread([&] {
    for (const std::size_t processor : members(before)) {
      pin_to(processor);
      stays.emplace_back(occupancy);
    }
  });
  EXPECT_TRUE(occupancy.is_here());
  EXPECT_FALSE(occupancy.step_aside());
  const cpu_set_t after = allowed();
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Occupancy, AThreadThatMayRunOnOneProcessorStaysThere) {
  in_a_thread([] {
    pin_to(members(allowed()).back());
    Occupancy occupancy;
    const Occupancy::Stay stay(occupancy);
    EXPECT_TRUE(occupancy.is_here());
    EXPECT_FALSE(occupancy.step_aside());
  });
}

}  // namespace
}  // namespace engram
#endif
