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
#if defined(__linux__)
constexpr int kCollapse = 25;  // MADV_COLLAPSE, which C libraries older than the system do not name
#endif
constexpr std::size_t kLeastStep = std::size_t{64} << 10;
// From here on the end of an array may waste a huge page: less than a sixteenth of it.
constexpr std::size_t kWholeFrom = 16 * kHugePage;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::byte* map_zeros(std::size_t bytes, int protection) {
  void* const at = ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(at);
}

// As map_zeros, beginning at a huge page's boundary.
std::byte* map_aligned(std::size_t bytes, int protection) {
  std::byte* const raw = map_zeros(bytes + kHugePage, protection);
  const std::size_t skip = (kHugePage - reinterpret_cast<std::uintptr_t>(raw) % kHugePage) % kHugePage;
  if (skip != 0) ::munmap(raw, skip);
  if (skip != kHugePage) ::munmap(raw + skip + bytes, kHugePage - skip);
  return raw + skip;
}

// Whether small pages can be made a huge one at once (Linux 6.1 and later).
bool can_gather() {
#if defined(__linux__)
  static const bool can = ::madvise(nullptr, 0, kCollapse) == 0;
  return can;
#else
  return false;
#endif
}

}  // namespace

Region::Region(std::size_t bytes, std::size_t huge_from, Access access)
    : size_(round_up(std::max<std::size_t>(bytes, 1), kSmallPage)) {
  const int protection = access == Access::kWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  data_ = size_ < kHugePage ? map_zeros(size_, protection) : map_aligned(size_, protection);
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

void Region::open(std::size_t begin, std::size_t end, Backing* backing) {
  if (backing != nullptr) return backing->open(data_ + begin, end - begin);
  if (::mprotect(data_ + begin, end - begin, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}

void Region::gather(std::size_t begin, std::size_t end) {
#if defined(__linux__)
  if (begin < end) ::madvise(data_ + begin, end - begin, kCollapse);
#else
  static_cast<void>(begin);
  static_cast<void>(end);
#endif
}

ChunkedArray::ChunkedArray(std::size_t stride, std::size_t max_count, Backing* backing)
    : stride_(stride), backing_(backing) {
  const std::size_t per_chunk = std::bit_floor(std::max<std::size_t>(kChunkBytes / stride, 1));
  shift_ = static_cast<unsigned>(std::countr_zero(per_chunk));
  mask_ = per_chunk - 1;
  const std::size_t chunks = (max_count >> shift_) + 1;
  table_ = Region(chunks * sizeof(std::atomic<std::byte*>), chunks * sizeof(std::atomic<std::byte*>));
}

void ChunkedArray::grow(std::size_t index) {
  const std::lock_guard lock(growing_);
  while (!reserved(index)) grow_a_step();
}

// Of what is opened in pieces no piece is huge: the whole is made so when it is full.
bool ChunkedArray::grows_by_little() const {
  return chunks_.size() == 1 && open_ < kWholeFrom && backing_ == nullptr && can_gather();
}

void ChunkedArray::grow_a_step() {
  const std::size_t from = reserved_.load(std::memory_order_relaxed);
  const std::size_t number = from >> shift_;
  if (number == chunks_.size()) {
    chunks_.emplace_back((mask_ + 1) * stride_, number == 0 ? kHugePage : 0, Region::Access::kRead);
    chunk(number).store(chunks_.back().data(), std::memory_order_release);
    open_ = 0;
  }
  Region& last = chunks_.back();
  const std::size_t part = grows_by_little() ? open_ / 16 : number == 0 ? open_ : kHugePage;
  const std::size_t step = std::clamp(part / kLeastStep * kLeastStep, kLeastStep, kHugePage);
  const std::size_t wanted = round_up(((from & mask_) + 1) * stride_, kSmallPage);
  std::size_t end = std::max(open_ + step, wanted);
  if (end >= kWholeFrom) end = round_up(end, kHugePage);
  end = std::min(end, last.size());
  last.open(open_, end, backing_);
  if (grows_by_little()) {
    const std::size_t begin = std::max(open_ / kHugePage * kHugePage, kHugePage);
    last.gather(begin, end / kHugePage * kHugePage);
  }
  open_ = end;
  reserved_.store((number << shift_) + std::min(open_ / stride_, mask_ + 1), std::memory_order_release);
}

std::size_t ChunkedArray::memory_bytes(std::size_t count) const {
  const std::size_t bytes = count * stride_;
  const std::size_t whole_from = backing_ == nullptr && can_gather() ? kWholeFrom : kHugePage;
  return round_up(bytes, bytes <= whole_from ? kSmallPage : kHugePage);
}

}  // namespace engram::hnsw
