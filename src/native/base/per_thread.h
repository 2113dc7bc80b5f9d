// What each thread keeps for itself from one call to the next.
//
// Not `thread_local`: a module that Python loads gets room for that at a thread's first touch, and where
// there is none (under `ulimit -v`, say) the C library ends the process. Here it is a std::bad_alloc.
//
// Thread-safety: any thread, each for itself.
//
// Invariants: what get() returns lives until its thread ends, and the object that gives it until the process
// does: make it a function's `static auto& kept = PerThread<T>::make();`.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <memory>
#include <new>

namespace engram {

template <class T>
class PerThread {
 public:
  // Errors: std::bad_alloc.
  static PerThread& make() { return *std::unique_ptr<PerThread>(new PerThread).release(); }

  // This thread's own, made when it first asks. Errors: std::bad_alloc.
  T& get() {
    if (void* const mine = ::pthread_getspecific(key_)) return *static_cast<T*>(mine);
    auto made = std::make_unique<T>();
    if (::pthread_setspecific(key_, made.get()) != 0) throw std::bad_alloc();
    return *made.release();
  }

 private:
  PerThread() {
    if (::pthread_key_create(&key_, [](void* mine) { delete static_cast<T*>(mine); }) != 0)
      throw std::bad_alloc();
  }

  pthread_key_t key_{};
};

// A number that this thread alone has, from 1 on.
std::size_t thread_number();

}  // namespace engram
