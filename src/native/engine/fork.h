// What a fork does to open stores: in the child each one is let go of (its lock's descriptor closed, nothing
// flushed, no thread joined) and refuses every call, so that the parent's store cannot be harmed.
//
// Thread-safety: everything from any thread.
//
// Invariants: a registered store's abandon() runs in the child before fork() returns there.
#pragma once

#include <mutex>

namespace engram::engine {

class Store;

void watch_forks(Store* store);
void unwatch_forks(Store* store);
// No fork begins while it is held.
std::unique_lock<std::mutex> hold_forks();

}  // namespace engram::engine
