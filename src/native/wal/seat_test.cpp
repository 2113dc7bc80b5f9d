#include "wal/seat.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace engram::wal {
namespace {

using Sat = Seat::Sat;

const auto kAll = [] { return true; };
const auto kNotAll = [] { return false; };

TEST(Seat, AVacantSeatIsTakenByWhoeverComes) {
  Seat seat;
  EXPECT_EQ(seat.take(kNotAll), Sat::kDown);
  EXPECT_EQ(seat.take(kAll), Sat::kNo);
  seat.leave();
  EXPECT_EQ(seat.take(kAll), Sat::kDown);
}

TEST(Seat, AnOpenSeatIsTakenByTheLastToComeAlone) {
  Seat seat;
  seat.take(kAll);
  const std::uint64_t opening = seat.open();
  EXPECT_EQ(seat.take(kNotAll), Sat::kNo);
  EXPECT_EQ(seat.take(kAll), Sat::kAsLast);
  EXPECT_EQ(seat.take(kAll), Sat::kNo);
  EXPECT_FALSE(seat.retake(opening));
}

TEST(Seat, WhoeverOpenedItTakesItBackWhenNobodyCame) {
  Seat seat;
  seat.take(kAll);
  EXPECT_TRUE(seat.retake(seat.open()));
  EXPECT_EQ(seat.take(kAll), Sat::kNo);
}

TEST(Seat, AWatcherOfAnOpeningLongGoneLeavesALaterOneAlone) {
  Seat seat;
  seat.take(kAll);
  const std::uint64_t first = seat.open();
  ASSERT_EQ(seat.take(kAll), Sat::kAsLast);
  const std::uint64_t second = seat.open();
  EXPECT_FALSE(seat.retake(first));
  EXPECT_TRUE(seat.retake(second));
}

TEST(Seat, OneAtATimeSitsHoweverTheyCome) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 5000;
  Seat seat;
  int turns = 0;  // unsynchronised but for the seat: ThreadSanitizer judges
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int done = 0; done < kTurns;) {
        if (seat.take([&] { return done % 2 == t % 2; }) == Sat::kNo) {
          std::this_thread::yield();
          continue;
        }
        ++turns;
        ++done;
        if (done % 3 == 0 && !seat.retake(seat.open())) continue;  // another took it meanwhile, and leaves
        seat.leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turns, kThreads * kTurns);
}

}  // namespace
}  // namespace engram::wal
