#include "engine/fork.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "engine/store.h"

namespace engram::engine {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<Store*> stores;
};

// Never destroyed: a fork may come while the process exits.
Registry& registry() {
  static auto* const the_registry = std::make_unique<Registry>().release();
  return *the_registry;
}

void before_fork() {
  registry().mutex.lock();
}
void in_parent() {
  registry().mutex.unlock();
}

void in_child() {
  for (Store* store : registry().stores) store->abandon();
  registry().stores.clear();
  registry().mutex.unlock();
}

}  // namespace

void watch_forks(Store* store) {
  static const int installed = pthread_atfork(&before_fork, &in_parent, &in_child);
  static_cast<void>(installed);
  const std::lock_guard lock(registry().mutex);
  registry().stores.push_back(store);
}

std::unique_lock<std::mutex> hold_forks() {
  return std::unique_lock(registry().mutex);
}

void unwatch_forks(Store* store) {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().stores, store);
}

}  // namespace engram::engine
