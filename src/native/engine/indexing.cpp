// From the queue to the hot graph: the indexer's side of the store.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

// How many memories are published under one hold of the table's lock: some 20 us.
constexpr std::size_t kPublishSlice = 128;

std::vector<PendingMemory*> members(const Queue::Batch& batch) {
  std::vector<PendingMemory*> memories;
  memories.reserve(batch.weight);
  for (const std::shared_ptr<Chunk>& chunk : batch.chunks) {
    for (PendingMemory& memory : chunk->memories) memories.push_back(&memory);
  }
  return memories;
}

}  // namespace

Queue::Batch Store::take(std::size_t most, Seconds timeout) {
  const Use use(users_);
  {
    std::unique_lock lock(progress_mutex_);
    progress_.wait_for(lock, timeout, [this] { return stopping_ || queue_.has_work(); });
    if (stopping_) return {};
  }
  Queue::Batch batch = queue_.take(most);
  if (batch.chunks.empty()) {
    const std::unique_lock idle(index_mutex_, std::try_to_lock);
    if (idle.owns_lock()) retire_dead();
  }
  return batch;
}

void Store::stop_indexing() {
  const std::lock_guard lock(progress_mutex_);
  stopping_ = true;
  progress_.notify_all();
}

void Store::sync_for(const Queue::Batch& batch) {
  const Use use = usable();
  // While the log is replayed there is none yet to ask: it syncs each segment before it replays it.
  if (log_ == nullptr || options_.read_only || batch.through == 0) return;
  log_->wait_durable(batch.through - 1, std::nullopt);
}

void Store::index(const Queue::Batch& batch) {
  const Use use = usable();
  const std::lock_guard indexing(index_mutex_);
  const std::vector<PendingMemory*> memories = members(batch);
  std::vector<PendingMemory*> fresh;
  std::copy_if(memories.begin(), memories.end(), std::back_inserter(fresh), [](const PendingMemory* memory) {
    return memory->slot == hnsw::kNoSlot && memory->dead_at.load(std::memory_order_acquire) == hnsw::kAlive;
  });
  parallel_for(fresh.size(), 16, thread_count(options_.threads),
               [&](std::size_t, std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) insert(*fresh[i]);
               });
  for (std::size_t begin = 0; begin < memories.size(); begin += kPublishSlice) {
    const std::unique_lock lock(table_mutex_);
    const std::size_t end = std::min(begin + kPublishSlice, memories.size());
    for (std::size_t i = begin; i < end; ++i) publish(*memories[i]);
  }
  queue_.trim();
  retire_dead();
  indexed_.store(std::max(indexed_.load(std::memory_order_relaxed), batch.through),
                 std::memory_order_release);
  give_back_room(batch.weight);
}

void Store::insert(PendingMemory& memory) {
  const hnsw::Slot slot = graph_->insert(memory.vector, memory.key, hnsw::kHidden);
  rows_.set(slot, memory.id, memory.confidence);
  memory.slot = slot;
}

// Shows in the graph what the queue showed so far, as dead or alive as it is by now.
void Store::publish(PendingMemory& memory) {
  if (memory.stage.load(std::memory_order_relaxed) != Stage::kQueued) return;  // a batch that is tried again
  if (memory.slot == hnsw::kNoSlot) {
    memory.stage.store(Stage::kPassedOver, std::memory_order_release);
    return;
  }
  const std::uint64_t dead_at = memory.dead_at.load(std::memory_order_acquire);
  graph_->set_dead_at(memory.slot, dead_at);
  if (dead_at == hnsw::kAlive) {
    Place* there = ids_->find(memory.id, [this](Place place) { return id_at(place); });
    *there = Place::hot(memory.slot);
  } else {
    dead_.push_back(memory.slot);
  }
  memory.stage.store(Stage::kInGraph, std::memory_order_release);
}

// Takes superseded slots out of the graph once no recall that could count them is left.
void Store::retire_dead() {
  if (aging_.empty()) {
    const std::unique_lock lock(table_mutex_);
    aging_.swap(dead_);
    ages_ = 0;
  }
  if (aging_.empty()) return;
  while (ages_ < 2) {
    if (!readers_.advance()) return;
    ++ages_;
  }
  for (const hnsw::Slot slot : aging_) graph_->retire(slot);
  aging_.clear();
}

}  // namespace engram::engine
