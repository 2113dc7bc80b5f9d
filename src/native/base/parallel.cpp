#include "base/parallel.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/scheduling.h"

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

// Of this thread alone.
void step_back(Priority priority) {
  if (priority == Priority::kBackground) run_in_background();
  if (priority == Priority::kIdle) run_when_idle();
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
          step_back(priority);
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
