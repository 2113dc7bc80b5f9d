#include "base/scheduling.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#endif

namespace engram {

#if defined(__linux__)
namespace {

// What sched_setattr(2) takes, which the C library does not declare.
struct Attributes {
  std::uint32_t size = 48;  // of this first version, which all systems know
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // nanoseconds at once; systems before Linux 6.12 ignore it, and tell 0
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

// The shortest there is: so long may somebody who wakes up have to wait.
constexpr std::uint64_t kShortTurn = 100'000;

// A tenth of what a thread of normal niceness gets of a processor that both want.
constexpr int kBackgroundNice = 10;

void wish(const Attributes& wanted) {
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &wanted, 0u));
}

// A thread that steps back while others wait for its processor would have it until the next tick all the same
// (4 ms): what they are owed is looked at when they wake up, and then, and they woke up before.
void step_back(const Attributes& wanted) {
  wish(wanted);
  ::sched_yield();
}

Attributes background() {
  Attributes wanted;
  wanted.nice = std::max(::getpriority(PRIO_PROCESS, 0), kBackgroundNice);
  return wanted;
}

}  // namespace

void run_in_background() {
  Attributes wanted = background();
  wanted.runtime = kShortTurn;
  step_back(wanted);
}

void run_when_idle() {
  Attributes wanted = background();
  wanted.policy = SCHED_IDLE;
  step_back(wanted);
}

void take_short_turns() {
  thread_local bool asked = false;
  if (asked) return;
  asked = true;
  Attributes now;
  if (::syscall(SYS_sched_getattr, 0, &now, sizeof now, 0u) != 0) return;
  if (now.policy != SCHED_OTHER || now.runtime <= kShortTurn) return;
  now.runtime = kShortTurn;
  wish(now);
}

#else

void run_in_background() {}
void run_when_idle() {}
void take_short_turns() {}

#endif

}  // namespace engram
