#include "hnsw/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace engram::hnsw {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 20;
constexpr std::size_t kSmallPage = 4096;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::byte* map_zeros(std::size_t bytes) {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(at);
}

// As map_zeros, beginning at a huge page's boundary.
std::byte* map_aligned(std::size_t bytes) {
  std::byte* const raw = map_zeros(bytes + kHugePage);
  const std::size_t skip = (kHugePage - reinterpret_cast<std::uintptr_t>(raw) % kHugePage) % kHugePage;
  if (skip != 0) ::munmap(raw, skip);
  if (skip != kHugePage) ::munmap(raw + skip + bytes, kHugePage - skip);
  return raw + skip;
}

}  // namespace

Region::Region(std::size_t bytes, std::size_t huge_from)
    : size_(round_up(std::max<std::size_t>(bytes, 1), kSmallPage)) {
  data_ = size_ < kHugePage ? map_zeros(size_) : map_aligned(size_);
#ifdef MADV_HUGEPAGE
  // Whole huge pages alone: a tail on small pages wastes nothing. Refusal costs speed, never correctness.
  const std::size_t end = size_ / kHugePage * kHugePage;
  if (huge_from < end) ::madvise(data_ + huge_from, end - huge_from, MADV_HUGEPAGE);
#else
  static_cast<void>(huge_from);
#endif
}

Region::Region(Region&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Region::~Region() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

ChunkedArray::ChunkedArray(std::size_t stride, std::size_t max_count) : stride_(stride) {
  const std::size_t per_chunk = std::bit_floor(std::max<std::size_t>(kChunkBytes / stride, 1));
  shift_ = static_cast<unsigned>(std::countr_zero(per_chunk));
  mask_ = per_chunk - 1;
  const std::size_t chunks = (max_count >> shift_) + 1;
  table_ = Region(chunks * sizeof(std::atomic<std::byte*>), chunks * sizeof(std::atomic<std::byte*>));
}

void ChunkedArray::add_chunk(std::size_t number) {
  const std::lock_guard lock(growing_);
  if (chunk(number).load(std::memory_order_relaxed) != nullptr) return;
  chunks_.emplace_back((mask_ + 1) * stride_, number == 0 ? kHugePage : 0);
  chunk(number).store(chunks_.back().data(), std::memory_order_release);
}

std::size_t ChunkedArray::memory_bytes(std::size_t count) const {
  const std::size_t bytes = count * stride_;
  return round_up(bytes, bytes <= kHugePage ? kSmallPage : kHugePage);
}

}  // namespace engram::hnsw
