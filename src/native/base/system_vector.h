// A std::vector whose large blocks come straight from the system and go back to it when they are freed, for
// columns with a value for every memory, which live for a moment. An allocator keeps such blocks: glibc takes
// the size of the largest one freed for the size below which blocks lie in its heaps, and a heap shrinks at
// its end alone.
//
// Thread-safety: as std::vector.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace engram {

template <class T>
struct SystemAllocator {
  using value_type = T;

  SystemAllocator() = default;
  template <class U>
  SystemAllocator(const SystemAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    if (!is_large(count)) return std::allocator<T>().allocate(count);
    if (count > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_array_new_length();
    void* const at =
        ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    return static_cast<T*>(at);
  }

  void deallocate(T* at, std::size_t count) noexcept {
    if (!is_large(count)) return std::allocator<T>().deallocate(at, count);
    ::munmap(at, count * sizeof(T));
  }

  friend bool operator==(const SystemAllocator&, const SystemAllocator&) { return true; }

 private:
  static constexpr std::size_t kFrom = std::size_t{64}
                                       << 10;  // bytes: 16 pages, of which the last is in part waste
  static bool is_large(std::size_t count) { return count >= kFrom / sizeof(T); }
};

template <class T>
using SystemVector = std::vector<T, SystemAllocator<T>>;

}  // namespace engram
