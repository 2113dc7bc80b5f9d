#include "hnsw/scratch.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/per_thread.h"

namespace engram::hnsw {

void Visited::begin(std::size_t slots) {
  if (slots > size_) {
    const std::size_t size = std::bit_ceil(std::max<std::size_t>(slots, 1024));
    region_ = Region(size, 0);
    marks_ = reinterpret_cast<std::uint8_t*>(region_.data());
    size_ = size;
    walk_ = 0;
  }
  if (++walk_ == 0) {
    std::memset(marks_, 0, size_);
    walk_ = 1;
  }
}

Scratches::~Scratches() {
  for (Shelf& shelf : shelves_) delete shelf.scratch.load(std::memory_order_acquire);
}

Scratches::Lease Scratches::lend() {
  const std::size_t start = thread_number();
  for (std::size_t i = 0; i < kShelves; ++i) {
    std::atomic<Scratch*>& shelf = shelves_[(start + i) % kShelves].scratch;
    if (shelf.load(std::memory_order_relaxed) == nullptr) continue;
    std::unique_ptr<Scratch> scratch(shelf.exchange(nullptr, std::memory_order_acquire));
    if (scratch != nullptr) return Lease(*this, std::move(scratch));
  }
  return Lease(*this, std::make_unique<Scratch>(dim_, links_));
}

void Scratches::give_back(std::unique_ptr<Scratch> scratch) noexcept {
  const std::size_t start = thread_number();
  for (std::size_t i = 0; i < kShelves; ++i) {
    std::atomic<Scratch*>& shelf = shelves_[(start + i) % kShelves].scratch;
    Scratch* empty = nullptr;
    if (shelf.load(std::memory_order_relaxed) != nullptr) continue;
    if (shelf.compare_exchange_strong(empty, scratch.get(), std::memory_order_release,
                                      std::memory_order_relaxed)) {
      static_cast<void>(scratch.release());
      return;
    }
  }
}

}  // namespace engram::hnsw
