#include "base/parallel.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace engram {
namespace {

using Body = std::function<void(std::size_t worker, std::size_t begin, std::size_t end)>;

std::size_t processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<std::size_t>(CPU_COUNT(&set));
#endif
  return std::thread::hardware_concurrency();
}

// A tenth of what a thread of normal niceness gets of a processor that both want.
constexpr int kBackgroundNice = 10;

#if defined(__linux__)
// What sched_setattr(2) takes, which the C library does not declare.
struct SchedulingAttributes {
  std::uint32_t size = 48;  // of this first version, which all systems know
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // nanoseconds at once
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

// The shortest there is (Linux 6.12; those before ignore it): so long may somebody who wakes up have to wait.
constexpr std::uint64_t kBackgroundSlice = 100'000;
#endif

// Of this thread alone. Refused, the work is done all the same.
void step_back([[maybe_unused]] Priority priority) {
#if defined(__linux__)
  SchedulingAttributes wanted;
  wanted.nice = std::max(::getpriority(PRIO_PROCESS, 0), kBackgroundNice);
  if (priority == Priority::kIdle) {
    wanted.policy = SCHED_IDLE;
  } else {
    wanted.runtime = kBackgroundSlice;
  }
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &wanted, 0u));
#endif
}

// The blocks not yet handed out, and the first exception of those that were.
class Work {
 public:
  Work(std::size_t count, std::size_t block, const Body& body) : count_(count), block_(block), body_(body) {}

  void run(std::size_t worker) noexcept {
    try {
      while (!stopped_.load(std::memory_order_relaxed)) {
        const std::size_t begin = next_.fetch_add(1, std::memory_order_relaxed);
        if (begin >= blocks()) return;
        const std::size_t first = begin * block_;
        body_(worker, first, first + std::min(block_, count_ - first));
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      stopped_.store(true, std::memory_order_relaxed);
    }
  }

  std::size_t blocks() const { return (count_ - 1) / block_ + 1; }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const std::size_t count_;
  const std::size_t block_;
  const Body& body_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

std::size_t thread_count(std::size_t asked) {
  return asked != 0 ? asked : std::max<std::size_t>(1, processors());
}

void parallel_for(std::size_t count, std::size_t block, std::size_t threads, const Body& body,
                  Priority priority) {
  if (count == 0) return;
  Work work(count, std::max<std::size_t>(1, block), body);
  const std::size_t callers = priority == Priority::kCaller ? 1 : 0;
  std::size_t started = 0;
  {
    std::vector<std::jthread> helpers;  // joined at the end of this scope; the caller is worker 0
    const std::size_t workers = std::clamp<std::size_t>(threads, 1, work.blocks());
    helpers.reserve(workers - callers);
    try {
      for (std::size_t worker = callers; worker < workers; ++worker) {
        helpers.emplace_back([&work, worker, priority] {
          if (priority != Priority::kCaller) step_back(priority);
          work.run(worker);
        });
        ++started;
      }
    } catch (const std::system_error&) {
      // The system gives no more threads: those there are do all the work.
    }
    if (callers != 0 || started == 0) work.run(0);
  }
  work.rethrow();
}

}  // namespace engram
