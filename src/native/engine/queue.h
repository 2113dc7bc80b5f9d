// The queue: memories that are stored and visible but not yet in an index, in the order of the log; in blocks
// that hold an 8-bit code of each, for recalls to scan.
//
// Thread-safety: push() from the committing leader alone; take() and trim() from any thread; view()
// from any thread, and what it returns stays readable for as long as it is held.
//
// Invariants:
//  (1) A memory's fields but for the atomics are written before push() and never after, but `key`, which the
//      caller of push() writes just before.
//  (2) What view() returns is of one instant: it holds every memory below its snapshot that no index showed
//      then, and the segments of the lower tiers as they were then.
//  (3) A memory is marked kInGraph only after the hot graph shows it, and a reader may then skip it here; one
//      that was dead before its turn came is marked kPassedOver, and stays for the readers of older
//      snapshots.
//  (4) A block leaves the list only when no memory in it is queued any more.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "engine/activation.h"
#include "engine/coder.h"
#include "hnsw/graph.h"

namespace engram::engine {

struct TierView;

enum class Stage : std::uint8_t { kQueued, kInGraph, kPassedOver };

struct PendingMemory {
  std::uint64_t key = 0;
  std::uint32_t entry_offset = 0;   // in the record's payload; key = LSN of the record + this
  hnsw::Slot slot = hnsw::kNoSlot;  // owned by the indexer
  const float* vector = nullptr;
  std::string_view id;
  std::optional<std::string_view> content;
  std::optional<std::string_view> metadata;
  double confidence = 1.0;
  double created_at = 0.0;
  std::atomic<std::uint64_t> dead_at{hnsw::kAlive};  // the key of what replaced or forgot it
  std::atomic<Stage> stage{Stage::kQueued};
  mutable SharedActivation activation{0};

  bool counts_at(std::uint64_t snapshot) const {
    return key <= snapshot && dead_at.load(std::memory_order_acquire) > snapshot;
  }
};

// What one record of the log holds: memories whose texts and vectors are views into `payload`.
struct Chunk {
  std::vector<std::byte> payload;
  std::vector<PendingMemory> memories;  // sized once: atomics do not move
  std::string_view forgotten;           // the id of a forget record; empty otherwise
  std::uint64_t last_key = 0;
  bool forgot = false;                 // whether there was such an id
  std::vector<std::uint64_t> retired;  // keys of the versions this record replaced or forgot
  std::vector<std::byte> codes;        // of the memories, until push() has copied them
  std::chrono::steady_clock::time_point visible_at;
  std::size_t weight() const { return memories.empty() ? 1 : memories.size(); }
};

// The chunk of one record's payload, its vectors coded. Errors: CorruptionError naming `source`.
std::shared_ptr<Chunk> make_chunk(std::vector<std::byte> payload, std::size_t dim, const Path& source,
                                  Coder& coder);

class Queue {
 public:
  static constexpr std::size_t kBlockMemories = 256;
  static constexpr std::size_t kBlockBytes = 4u << 20;
  static constexpr std::size_t kBlockCodeBytes = 256u << 10;

  void use_codes(std::size_t code_bytes) { code_bytes_ = code_bytes; }  // before the first push()

  struct Block {
    Block(std::size_t most, std::size_t code_bytes);
    // Covers the codes below `count`, if that was read before.
    Extent extent() const;
    void cover(const Extent& extent);  // leader's

    std::array<PendingMemory*, kBlockMemories> memories{};
    std::unique_ptr<std::byte[]> codes;  // of the same, one behind the other
    std::atomic<std::size_t> count{0};
    const std::size_t most;
    std::size_t bytes = 0;                       // leader's
    std::vector<std::shared_ptr<Chunk>> chunks;  // leader's: keeps what `memories` points to

   private:
    std::atomic<float> step_{0};
    std::atomic<float> reach_{0};
    std::atomic<float> norm2_{0};
  };
  using Blocks = std::vector<std::shared_ptr<Block>>;

  // What the indexer takes at once.
  struct Batch {
    std::vector<std::shared_ptr<Chunk>> chunks;
    std::uint64_t through = 0;  // every key below this is in this batch or an earlier one
    std::size_t weight = 0;
  };

  // Makes a group visible, all at once.
  void push(std::span<const std::shared_ptr<Chunk>> group);
  // One above the last visible key; 0 when there is none.
  std::uint64_t visible() const { return visible_.load(std::memory_order_acquire); }
  void set_visible(std::uint64_t lsn) { visible_.store(lsn, std::memory_order_release); }  // for a checkpoint

  struct View {
    std::uint64_t visible;
    std::shared_ptr<const Blocks> blocks;
    std::shared_ptr<const TierView> tiers;
  };
  View view() const;
  // What views made from now on have as `tiers`.
  void show(std::shared_ptr<const TierView> tiers);

  // The oldest chunks not yet taken, at least one and about `most` memories; nothing when there are none.
  Batch take(std::size_t most);
  bool has_work() const;
  std::size_t depth() const { return depth_.load(std::memory_order_relaxed); }  // memories not yet taken

  void clear();  // with no user left
  // Lets go of blocks in which no memory is queued.
  void trim() { let_go(finished()); }
  // Its two steps. Blocks in which none is, and how many each held when it was looked at: one to which
  // something came since then is not let go of, though it may be full by now.
  using Finished = std::vector<std::pair<std::shared_ptr<Block>, std::size_t>>;
  Finished finished() const;
  void let_go(const Finished& finished);

 private:
  void place(PendingMemory* memory, const std::byte* code, const std::shared_ptr<Chunk>& chunk);

  std::size_t code_bytes_ = 0;
  mutable std::mutex mutex_;
  std::shared_ptr<const Blocks> blocks_ = std::make_shared<const Blocks>();
  std::shared_ptr<Block> last_;  // the block that push() fills; null when none
  std::shared_ptr<const TierView> tiers_;
  std::deque<std::shared_ptr<Chunk>> todo_;
  std::atomic<std::size_t> depth_{0};      // written under mutex_
  std::atomic<std::uint64_t> visible_{0};  // written under mutex_
};

}  // namespace engram::engine
