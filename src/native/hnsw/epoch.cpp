#include "hnsw/epoch.h"

#include "base/per_thread.h"

namespace engram::hnsw {

Epochs::Pin Epochs::pin() {
  const std::size_t start = thread_number();  // threads begin their probing apart
  for (Block* block = &first_;;) {
    for (std::size_t i = 0; i < block->entries.size(); ++i) {
      Entry& entry = block->entries[(start + i) % block->entries.size()];
      std::uint64_t free = 0;
      std::uint64_t epoch = current_.load();
      if (entry.epoch.load(std::memory_order_relaxed) != 0 ||
          !entry.epoch.compare_exchange_strong(free, epoch))
        continue;
      // Who advanced meanwhile may have looked before the entry was written: then take the newer epoch.
      for (std::uint64_t now = current_.load(); now != epoch; now = current_.load()) {
        epoch = now;
        entry.epoch.store(epoch);
      }
      return Pin(&entry);
    }
    Block* next = block->next.load(std::memory_order_acquire);
    if (next == nullptr) {
      const std::lock_guard lock(growing_);
      if (block->owned_next == nullptr) {
        block->owned_next = std::make_unique<Block>();
        block->next.store(block->owned_next.get(), std::memory_order_release);
      }
      next = block->owned_next.get();
    }
    block = next;
  }
}

bool Epochs::passed(std::uint64_t epoch) const {
  for (const Block* block = &first_; block != nullptr; block = block->next.load(std::memory_order_acquire)) {
    for (const Entry& entry : block->entries) {
      const std::uint64_t pinned = entry.epoch.load();
      if (pinned != 0 && pinned < epoch) return false;
    }
  }
  return true;
}

}  // namespace engram::hnsw
