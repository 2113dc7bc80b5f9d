// Memory for elements that are found by number and never move: chunks of address space, filled with zeros,
// opened for writing piece by piece; huge pages where the system has them.
//
// Thread-safety: ChunkedArray::reserve() and at() from any thread at once.
//
// Invariants:
//  (1) An element's address never changes.
//  (2) The first 2 MiB of an array lie on small pages, and so does the end of one of up to 32 MiB, until it
//      is a huge page long (where the system can then make it one): it costs little more than it holds.
//  (3) What is not reserved yet cannot be written: so a limit on a process' data (RLIMIT_DATA), which counts
//      what could be written whether it was or not, counts of an array at most 2 MiB beyond what it holds.
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

// Where the pages of an array come from, if they are not to be RAM of the process.
//
// Thread-safety: open() from any thread.
class Backing {
 public:
  virtual ~Backing() = default;
  // Puts zeros that can be written in place of [at, at + bytes), whole pages. May throw.
  virtual void open(std::byte* at, std::size_t bytes) = 0;
};

// Zeroed pages straight from the system, given back on destruction.
class Region {
 public:
  enum class Access : bool { kRead, kWrite };

  Region() = default;
  // Huge pages are asked for from `huge_from` on. Throws std::bad_alloc.
  Region(std::size_t bytes, std::size_t huge_from, Access access = Access::kWrite);
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  // Lets [begin, end), whole pages, be written. Throws std::bad_alloc, and what `backing` does.
  void open(std::size_t begin, std::size_t end, Backing* backing);
  // Puts what lies on small pages in [begin, end), whole huge pages, onto huge ones, if the system likes.
  void gather(std::size_t begin, std::size_t end);

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

class ChunkedArray {
 public:
  // Room for at most `max_count` elements of `stride` bytes. `backing` (null: RAM) outlives the array.
  ChunkedArray(std::size_t stride, std::size_t max_count, Backing* backing = nullptr);

  std::size_t stride() const { return stride_; }

  // The element may be used from now on, as may all below it. Throws as Region::open().
  void reserve(std::size_t index) {
    if (!reserved(index)) grow(index);
  }
  bool reserved(std::size_t index) const { return index < reserved_.load(std::memory_order_acquire); }

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
  void grow(std::size_t index);
  void grow_a_step();
  bool grows_by_little() const;

  std::size_t stride_;
  Backing* backing_;
  unsigned shift_;
  std::size_t mask_;
  Region table_;  // of pointers to chunks; zero pages are null pointers
  std::mutex growing_;
  std::vector<Region> chunks_;
  std::size_t open_ = 0;  // bytes of the last chunk
  std::atomic<std::size_t> reserved_{0};
};

}  // namespace engram::hnsw
