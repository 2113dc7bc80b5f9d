#include "base/per_thread.h"

#include <atomic>

namespace engram {

std::size_t thread_number() {
  static std::atomic<std::size_t> last{0};
  // With no initialisation to run, this takes 8 bytes that are there when the thread is: see
  // ENGRAM_STATIC_TLS in CMakeLists.txt.
  thread_local std::size_t mine = 0;
  if (mine == 0) mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return mine;
}

}  // namespace engram
