#include "base/scheduling.h"

#include <gtest/gtest.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <thread>

namespace engram {
namespace {

constexpr std::uint64_t kShortest = 100'000;

// Of what sched_getattr(2) tells of the calling thread.
struct Terms {
  std::uint32_t policy = 0;
  std::int32_t nice = 0;
  std::uint64_t turn = 0;  // nanoseconds; 0 where the system has no such thing
};

Terms terms() {
  std::array<std::uint8_t, 48> attributes{};
  Terms found;
  EXPECT_EQ(::syscall(SYS_sched_getattr, 0, attributes.data(), attributes.size(), 0u), 0);
  std::memcpy(&found.policy, attributes.data() + 4, sizeof found.policy);
  std::memcpy(&found.nice, attributes.data() + 16, sizeof found.nice);
  std::memcpy(&found.turn, attributes.data() + 24, sizeof found.turn);
  return found;
}

// In a thread of its own, as nothing of this can be taken back.
void in_a_thread(const std::function<void()>& body) {
  std::thread(body).join();
}

TEST(Scheduling, ShortTurnsChangeNothingElse) {
  in_a_thread([] {
    ASSERT_EQ(::setpriority(PRIO_PROCESS, 0, 3), 0);
    const Terms before = terms();
    take_short_turns();
    const Terms after = terms();
    EXPECT_EQ(after.turn, before.turn == 0 ? 0 : kShortest);
    EXPECT_EQ(after.policy, before.policy);
    EXPECT_EQ(after.nice, 3);
  });
}

TEST(Scheduling, APolicyOfItsOwnStays) {
  in_a_thread([] {
    const sched_param none{};
    ASSERT_EQ(::sched_setscheduler(0, SCHED_BATCH, &none), 0);
    const Terms before = terms();
    take_short_turns();
    EXPECT_EQ(terms().policy, static_cast<std::uint32_t>(SCHED_BATCH));
    EXPECT_EQ(terms().turn, before.turn);
  });
}

TEST(Scheduling, AThreadOfTheBackgroundIsNiceAndShort) {
  in_a_thread([] {
    const Terms before = terms();
    run_in_background();
    EXPECT_EQ(terms().policy, static_cast<std::uint32_t>(SCHED_OTHER));
    EXPECT_GE(terms().nice, 10);
    EXPECT_EQ(terms().turn, before.turn == 0 ? 0 : kShortest);
  });
}

TEST(Scheduling, AnIdleThreadHasTheIdlePolicy) {
  in_a_thread([] {
    run_when_idle();
    EXPECT_EQ(terms().policy, static_cast<std::uint32_t>(SCHED_IDLE));
  });
}

}  // namespace
}  // namespace engram
#endif
