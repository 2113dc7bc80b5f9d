// Memory for elements that are found by number and never move: chunks of address space, filled with zeros,
// whose pages the system gives as they are touched; huge pages where it has them.
//
// Thread-safety: ChunkedArray::reserve() and at() from any thread at once.
//
// Invariants:
//  (1) An element's address never changes.
//  (2) The first 2 MiB of an array lie on small pages, so that a small array costs what it holds and no more.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace engram::hnsw {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Zeroed pages straight from the system, given back on destruction.
class Region {
 public:
  Region() = default;
  // Huge pages are asked for from `huge_from` on. Throws std::bad_alloc.
  Region(std::size_t bytes, std::size_t huge_from);
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

class ChunkedArray {
 public:
  // Room for at most `max_count` elements of `stride` bytes.
  ChunkedArray(std::size_t stride, std::size_t max_count);

  std::size_t stride() const { return stride_; }

  // The element may be used from now on. Throws std::bad_alloc.
  void reserve(std::size_t index) {
    if (!reserved(index)) add_chunk(index >> shift_);
  }
  bool reserved(std::size_t index) const {
    return chunk(index >> shift_).load(std::memory_order_acquire) != nullptr;
  }

  std::byte* at(std::size_t index) const {
    return chunk(index >> shift_).load(std::memory_order_relaxed) + (index & mask_) * stride_;
  }

  // The bytes of elements [index, index + count), as far as they lie in one piece.
  std::span<std::byte> piece(std::size_t index, std::size_t count) const {
    return {at(index), std::min(count, mask_ + 1 - (index & mask_)) * stride_};
  }

  // What the first `count` elements take, in pages touched.
  std::size_t memory_bytes(std::size_t count) const;

 private:
  std::atomic<std::byte*>& chunk(std::size_t number) const {
    return reinterpret_cast<std::atomic<std::byte*>*>(table_.data())[number];
  }
  void add_chunk(std::size_t number);

  std::size_t stride_;
  unsigned shift_;
  std::size_t mask_;
  Region table_;  // of pointers to chunks; zero pages are null pointers
  std::mutex growing_;
  std::vector<Region> chunks_;
};

}  // namespace engram::hnsw
