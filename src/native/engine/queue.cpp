#include "engine/queue.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "engine/entry.h"

namespace engram::engine {
namespace {

bool all_through(const Queue::Block& block) {
  const std::size_t count = block.count.load(std::memory_order_acquire);
  const auto begin = block.memories.begin();
  return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(count), [](const PendingMemory* memory) {
    return memory->stage.load(std::memory_order_acquire) != Stage::kQueued;
  });
}

void adopt(PendingMemory& memory, const Decoded& decoded) {
  memory.entry_offset = static_cast<std::uint32_t>(decoded.offset);
  memory.vector = reinterpret_cast<const float*>(decoded.entry.vector);
  memory.id = decoded.entry.id;
  memory.content = decoded.entry.content;
  memory.metadata = decoded.entry.metadata;
  memory.confidence = decoded.entry.confidence;
  memory.created_at = decoded.entry.created_at;
}

}  // namespace

std::shared_ptr<Chunk> make_chunk(std::vector<std::byte> payload, std::size_t dim, const Path& source) {
  auto chunk = std::make_shared<Chunk>();
  chunk->payload = std::move(payload);
  const std::vector<Decoded> entries = decode(chunk->payload, dim, source);
  if (entries.front().entry.op == Op::kForget) {
    if (entries.size() != 1) {
      throw CorruptionError(source.string(), 0,
                            "a record of the log in " + source.string() + " forgets in a batch");
    }
    chunk->forgotten = entries.front().entry.id;
    return chunk;
  }
  chunk->memories = std::vector<PendingMemory>(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].entry.op != Op::kStore) {
      throw CorruptionError(source.string(), entries[i].offset,
                            "a record of the log in " + source.string() + " forgets in a batch");
    }
    adopt(chunk->memories[i], entries[i]);
  }
  return chunk;
}

void Queue::place(PendingMemory* memory, const std::shared_ptr<Chunk>& chunk) {
  if (last_ == nullptr || last_->count.load(std::memory_order_relaxed) == kBlockMemories ||
      last_->bytes >= kBlockBytes) {
    last_ = std::make_shared<Block>();
    auto grown = std::make_shared<Blocks>(*blocks_);
    grown->push_back(last_);
    blocks_ = std::move(grown);
  }
  const std::size_t at = last_->count.load(std::memory_order_relaxed);
  last_->memories[at] = memory;
  if (last_->chunks.empty() || last_->chunks.back() != chunk) {
    last_->chunks.push_back(chunk);
    last_->bytes += chunk->payload.size();
  }
  last_->count.store(at + 1, std::memory_order_release);
}

void Queue::push(std::span<const std::shared_ptr<Chunk>> group) {
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Chunk>& chunk : group) {
    for (PendingMemory& memory : chunk->memories) place(&memory, chunk);
    todo_.push_back(chunk);
  }
  set_visible(group.back()->last_key + 1);
}

Queue::View Queue::view() const {
  const std::lock_guard lock(mutex_);
  return {visible(), blocks_};
}

Queue::Batch Queue::take(std::size_t most) {
  const std::lock_guard lock(mutex_);
  Batch batch;
  while (!todo_.empty() && (batch.chunks.empty() || batch.weight + todo_.front()->weight() <= most)) {
    batch.weight += todo_.front()->weight();
    batch.through = todo_.front()->last_key + 1;
    batch.chunks.push_back(std::move(todo_.front()));
    todo_.pop_front();
  }
  return batch;
}

bool Queue::has_work() const {
  const std::lock_guard lock(mutex_);
  return !todo_.empty();
}

void Queue::clear() {
  const std::lock_guard lock(mutex_);
  blocks_ = std::make_shared<const Blocks>();
  last_ = nullptr;
  todo_.clear();
}

void Queue::trim() {
  const std::shared_ptr<const Blocks> seen = view().blocks;
  Blocks done;
  for (const std::shared_ptr<Block>& block : *seen) {
    // Taken in order, so the first block that is not through ends the search.
    if (!all_through(*block)) break;
    done.push_back(block);
  }
  if (done.empty()) return;
  const std::lock_guard lock(mutex_);
  auto kept = std::make_shared<Blocks>();
  for (const std::shared_ptr<Block>& block : *blocks_) {
    const bool through = std::find(done.begin(), done.end(), block) != done.end();
    if (through && block != last_) continue;
    // The block being filled goes only when nothing came since it was looked at.
    if (through && all_through(*block)) {
      last_ = nullptr;
      continue;
    }
    kept->push_back(block);
  }
  blocks_ = std::move(kept);
}

}  // namespace engram::engine
