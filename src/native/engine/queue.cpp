#include "engine/queue.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "engine/entry.h"

namespace engram::engine {
namespace {

// Of the first `count` of a block.
bool all_through(const Queue::Block& block, std::size_t count) {
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
  memory.activation = Activation(1, memory.created_at).bits();
}

}  // namespace

std::shared_ptr<Chunk> make_chunk(std::vector<std::byte> payload, std::size_t dim, const Path& source,
                                  Coder& coder) {
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
  const std::size_t code_bytes = coder.code_bytes();
  chunk->codes.resize(entries.size() * code_bytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    coder.encode(chunk->memories[i].vector, chunk->codes.data() + i * code_bytes);
  }
  return chunk;
}

Queue::Block::Block(std::size_t most_memories, std::size_t code_bytes)
    : codes(std::make_unique_for_overwrite<std::byte[]>(most_memories * code_bytes)), most(most_memories) {}

Extent Queue::Block::extent() const {
  return {step_.load(std::memory_order_relaxed), reach_.load(std::memory_order_relaxed),
          norm2_.load(std::memory_order_relaxed)};
}

void Queue::Block::cover(const Extent& extent) {
  Extent wider = this->extent();
  wider.cover(extent);
  step_.store(wider.step, std::memory_order_relaxed);
  reach_.store(wider.reach, std::memory_order_relaxed);
  norm2_.store(wider.norm2, std::memory_order_relaxed);
}

void Queue::place(PendingMemory* memory, const std::byte* code, const std::shared_ptr<Chunk>& chunk) {
  if (last_ == nullptr || last_->count.load(std::memory_order_relaxed) == last_->most ||
      last_->bytes >= kBlockBytes) {
    const std::size_t most = std::clamp<std::size_t>(kBlockCodeBytes / code_bytes_, 16, kBlockMemories);
    last_ = std::make_shared<Block>(most, code_bytes_);
    auto grown = std::make_shared<Blocks>(*blocks_);
    grown->push_back(last_);
    blocks_ = std::move(grown);
  }
  const std::size_t at = last_->count.load(std::memory_order_relaxed);
  last_->memories[at] = memory;
  std::memcpy(last_->codes.get() + at * code_bytes_, code, code_bytes_);
  last_->cover(Coder::extent_of(code));
  if (last_->chunks.empty() || last_->chunks.back() != chunk) {
    last_->chunks.push_back(chunk);
    last_->bytes += chunk->payload.size();
  }
  last_->count.store(at + 1, std::memory_order_release);
}

void Queue::push(std::span<const std::shared_ptr<Chunk>> group) {
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Chunk>& chunk : group) {
    const std::byte* code = chunk->codes.data();
    for (PendingMemory& memory : chunk->memories) {
      place(&memory, code, chunk);
      code += code_bytes_;
    }
    std::vector<std::byte>().swap(chunk->codes);
    todo_.push_back(chunk);
    depth_.store(depth() + chunk->weight(), std::memory_order_relaxed);
  }
  set_visible(group.back()->last_key + 1);
}

Queue::View Queue::view() const {
  const std::lock_guard lock(mutex_);
  return {visible(), blocks_, tiers_};
}

void Queue::show(std::shared_ptr<const TierView> tiers) {
  const std::lock_guard lock(mutex_);
  tiers_ = std::move(tiers);
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
  depth_.store(depth() - batch.weight, std::memory_order_relaxed);
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
  tiers_ = nullptr;
  todo_.clear();
  depth_.store(0, std::memory_order_relaxed);
}

Queue::Finished Queue::finished() const {
  Finished finished;
  const std::shared_ptr<const Blocks> blocks = view().blocks;
  for (const std::shared_ptr<Block>& block : *blocks) {
    const std::size_t count = block->count.load(std::memory_order_acquire);
    if (all_through(*block, count)) finished.emplace_back(block, count);
  }
  return finished;
}

void Queue::let_go(const Finished& finished) {
  if (finished.empty()) return;
  const std::lock_guard lock(mutex_);
  auto kept = std::make_shared<Blocks>();
  for (const std::shared_ptr<Block>& block : *blocks_) {
    const std::pair now(block, block->count.load(std::memory_order_relaxed));
    if (std::find(finished.begin(), finished.end(), now) == finished.end()) {
      kept->push_back(block);
    } else if (block == last_) {
      last_ = nullptr;
    }
  }
  blocks_ = std::move(kept);
}

}  // namespace engram::engine
