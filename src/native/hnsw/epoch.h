// Epochs: who takes something away learns when nobody who could still see it is left.
//
// Thread-safety: every call from any thread.
//
// Invariants: a pin made before advance() returned t keeps passed(t) false until it is destroyed; what was
// taken out of reach before that advance() cannot be seen through any later pin. Sequentially consistent
// operations on the epoch and the pins alone carry this (no fences).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace engram::hnsw {

class Epochs {
  struct alignas(64) Entry {
    std::atomic<std::uint64_t> epoch{0};  // 0: free
  };
  struct Block {
    std::array<Entry, 64> entries;
    std::atomic<Block*> next{nullptr};
    std::unique_ptr<Block> owned_next;
  };

 public:
  class Pin {
   public:
    explicit Pin(Entry* entry) : entry_(entry) {}
    Pin(Pin&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    Pin& operator=(Pin&& other) noexcept {
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Pin() {
      if (entry_ != nullptr) entry_->epoch.store(0, std::memory_order_release);
    }

   private:
    Entry* entry_;
  };

  Pin pin();

  // Begins a new epoch and returns it.
  std::uint64_t advance() { return current_.fetch_add(1) + 1; }

  // Whether every pin made before advance() returned `epoch` is gone.
  bool passed(std::uint64_t epoch) const;

 private:
  std::atomic<std::uint64_t> current_{1};
  Block first_;
  std::mutex growing_;
};

}  // namespace engram::hnsw
