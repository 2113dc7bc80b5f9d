#include "base/occupancy.h"

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstring>

namespace engram {
namespace {

using Clock = std::chrono::steady_clock;

// Moving takes some 20 us, and is for a thread that would stay otherwise: for seconds.
[[maybe_unused]] constexpr std::chrono::milliseconds kRest{2};

#if defined(__linux__)
bool get(cpu_set_t& affinity) {
  return ::sched_getaffinity(0, sizeof affinity, &affinity) == 0;
}

bool set(const cpu_set_t& affinity) {
  return ::sched_setaffinity(0, sizeof affinity, &affinity) == 0;
}
#endif

std::size_t configured_processors() {
#if defined(__linux__)
  const long count = ::sysconf(_SC_NPROCESSORS_CONF);
  return count > 0 ? static_cast<std::size_t>(count) : 1;
#else
  return 1;
#endif
}

}  // namespace

Occupancy::Occupancy() : used_(std::min(configured_processors(), kMost)) {}

std::size_t Occupancy::here() const {
#if defined(__linux__)
  const int processor = ::sched_getcpu();
  return processor < 0 ? 0 : static_cast<std::size_t>(processor) % used_;
#else
  return 0;
#endif
}

bool Occupancy::is_at(std::size_t processor) const {
  return counts_[processor % used_].value.load(std::memory_order_relaxed) > 0;
}

Occupancy::Stay::Stay(Occupancy& occupancy) : count_(occupancy.counts_[occupancy.here()].value) {
  count_.fetch_add(1, std::memory_order_relaxed);
}

Occupancy::Stay::~Stay() {
  count_.fetch_sub(1, std::memory_order_relaxed);
}

std::size_t Occupancy::processors() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < used_; ++i) count += is_at(i) ? 1 : 0;
  return count;
}

#if defined(__linux__)

bool Occupancy::is_here() const {
  return is_at(here());
}

bool Occupancy::step_aside() const {
  thread_local Clock::time_point next{};
  const Clock::time_point now = Clock::now();
  if (now < next) return false;
  next = now + kRest;
  return move();
}

bool Occupancy::move() const {
  cpu_set_t allowed;
  if (!get(allowed) || CPU_COUNT(&allowed) == 1) return false;
  cpu_set_t free = allowed;
  for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &free) && is_at(i)) CPU_CLR(i, &free);
  }
  if (CPU_COUNT(&free) == 0 || !set(free)) return false;
  cpu_set_t now;
  if (!get(now) || !CPU_EQUAL(&now, &free))
    return true;  // somebody else has changed it meanwhile: theirs stays
  // A thread that might run everywhere shall also run where the system lets it only later.
  cpu_set_t everywhere;
  std::memset(&everywhere, 0xff, sizeof everywhere);
  if (!set(everywhere) || !get(now) || !CPU_EQUAL(&now, &allowed)) set(allowed);
  return true;
}

#else

bool Occupancy::is_here() const {
  return false;
}
bool Occupancy::step_aside() const {
  return false;
}
bool Occupancy::move() const {
  return false;
}

#endif

}  // namespace engram
