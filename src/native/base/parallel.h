// Work shared among threads that live no longer than the call: none is left behind, so a fork is safe.
//
// Thread-safety: pure functions. `body` runs at once on several threads.
//
// Invariants: returns only after every thread has ended; the first exception a body throws stops the handing
// out of further work and is thrown again to the caller. The caller's own priority never changes.
#pragma once

#include <cstddef>
#include <functional>

namespace engram {

// The threads to use when `asked` are asked for (0: one a processor this process may run on).
std::size_t thread_count(std::size_t asked);

// Background: on threads that get a tenth of what others get of a processor that both want, in the shortest
// of slices. Idle: on threads that run only where nobody else wants to, and make way at once; on busy
// processors such work stands nearly still, so it is for small pieces that nobody waits for. Neither does any
// of the work in the caller. (A thread cannot raise its priority again, so they are threads of their own.)
enum class Priority { kCaller, kBackground, kIdle };

// Calls body(worker, begin, end) over [0, count) in blocks of at most `block`, worker in [0, threads).
// With one thread everything runs in the caller, in order.
void parallel_for(std::size_t count, std::size_t block, std::size_t threads,
                  const std::function<void(std::size_t worker, std::size_t begin, std::size_t end)>& body,
                  Priority priority = Priority::kCaller);

}  // namespace engram
