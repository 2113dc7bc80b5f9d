// From the queue to the hot graph: the indexer's side of the store.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

// How many memories are published under one hold of the table's lock: some 20 us.
constexpr std::size_t kPublishSlice = 128;
// How many are committed to the catalog at once: the price of a transaction is spread over some thousand.
constexpr std::size_t kCommitMemories = 2048;

// How many are inserted at the lowest priority before it is asked again who else wants the processors: a few
// milliseconds of work for each thread.
constexpr std::size_t kIdlePiece = 32;

// Beside others who keep all processors busy that may take a second. Who has so many pending, and whose
// threads got this little done, indexes in the background instead: each recall pays for the queue, by its
// scan.
constexpr std::chrono::milliseconds kPatience{32};
constexpr std::size_t kDeep = 2048;

// How many a thread takes at once: what it holds waits while it gets no processor.
constexpr std::size_t kBlock = 4;

std::vector<PendingMemory*> members(const Queue::Batch& batch) {
  std::vector<PendingMemory*> memories;
  memories.reserve(batch.weight);
  for (const std::shared_ptr<Chunk>& chunk : batch.chunks) {
    for (PendingMemory& memory : chunk->memories) memories.push_back(&memory);
  }
  return memories;
}

// How many memories the indexer gathers before it begins, and how long it waits for so many. A recall scans
// them meanwhile, in a few microseconds.
constexpr std::size_t kCompany = 256;
constexpr std::chrono::milliseconds kGather{5};
constexpr std::size_t kNoneWanted = std::numeric_limits<std::size_t>::max();

bool wants_slot(const PendingMemory* memory) {
  return memory->slot == hnsw::kNoSlot && memory->dead_at.load(std::memory_order_acquire) == hnsw::kAlive;
}

}  // namespace

Queue::Batch Store::take(std::size_t most, Seconds timeout) {
  const Use use(users_);
  if (timeout > Seconds(0)) wait_for_work(timeout);
  if (stopping_) return {};
  Queue::Batch batch = queue_.take(most);
  if (batch.chunks.empty()) {
    const std::unique_lock idle(index_mutex_, std::try_to_lock);
    if (idle.owns_lock()) retire_dead();
  }
  return batch;
}

// For the first, and then for company: a thread of its own priority for each memory would cost those who
// store more than what it does.
void Store::wait_for_work(Seconds timeout) {
  std::unique_lock lock(work_mutex_);
  work_wanted_ = 1;
  if (work_.wait_for(lock, timeout, [this] { return stopping_ || queue_.has_work(); })) {
    work_wanted_ = kCompany;
    work_.wait_for(lock, std::min<Seconds>(timeout, kGather),
                   [this] { return is_awaited() || queue_.depth() >= kCompany; });
  }
  work_wanted_ = kNoneWanted;
}

// Wakes the indexer if it waits for no more than what the queue holds.
void Store::tell_indexer() const {
  if (queue_.depth() < work_wanted_.load() && !is_awaited()) return;
  const std::lock_guard lock(work_mutex_);
  work_.notify_all();
}

void Store::stop_indexing() {
  stopping_ = true;
  tell_indexer();
}

void Store::sync_for(const Queue::Batch& batch) {
  const Use use = usable();
  // While the log is replayed there is none yet to ask: it syncs each segment before it replays it.
  if (log_ == nullptr || options_.read_only || batch.through == 0) return;
  log_->wait_durable(batch.through - 1, std::nullopt);
}

void Store::index(const Queue::Batch& batch, Priority priority) {
  const Use use = usable();
  const std::lock_guard indexing(index_mutex_);
  const std::vector<PendingMemory*> memories = members(batch);
  std::vector<PendingMemory*> fresh;
  std::copy_if(memories.begin(), memories.end(), std::back_inserter(fresh), &wants_slot);
  insert_all(std::move(fresh), priority);
  finish(batch, memories);
}

// What nobody waits for goes in small pieces, each on as many threads as there are processors without a
// recall: one that is started beside a recall gets nothing done there, and what it holds of the piece waits
// with it.
void Store::insert_all(std::vector<PendingMemory*> memories, Priority priority) {
  const std::size_t all = thread_count(options_.threads);
  const bool steps_back = priority == Priority::kIdle;
  for (bool starved = false; !memories.empty();) {
    const bool idle = steps_back && !is_awaited() && !(starved && queue_.depth() >= kDeep);
    const std::size_t recalling = idle ? std::min(recalling_.processors(), all - 1) : 0;
    const std::size_t threads = all - recalling;
    const std::size_t count = idle ? std::min(memories.size(), threads * kIdlePiece) : memories.size();
    const auto end = std::chrono::steady_clock::now() + kPatience;
    const auto is_over = [end] { return std::chrono::steady_clock::now() > end; };
    std::atomic<bool> began{false};  // however late its threads get a processor, a piece brings something in
    parallel_for(
        count, kBlock, threads,
        [&](std::size_t, std::size_t first, std::size_t last) {
          for (std::size_t i = first; i < last; ++i) {
            // No lock here that others want: threads of the lowest priority may hold it for long.
            if (idle && began.load() && (is_over() || stopping_.load() || awaiting_.load() != 0)) return;
            insert(*memories[i]);
            began.store(true);
            if (steps_back && recalling_.is_here()) std::this_thread::yield();
          }
        },
        idle || !steps_back ? priority : Priority::kBackground);
    starved = is_over();
    std::erase_if(memories, [](const PendingMemory* memory) { return !wants_slot(memory); });
  }
}

bool Store::is_awaited() const {
  const Load taken = room_.taken();
  return stopping_.load() || awaiting_.load() != 0 || taken.memories >= options_.queue_capacity / 2 ||
         taken.bytes >= options_.queue_bytes / 2;
}

std::size_t Store::set_aside(const Queue::Batch& batch) {
  const Use use = usable();
  const std::lock_guard indexing(index_mutex_);
  const std::vector<PendingMemory*> memories = members(batch);
  std::vector<PendingMemory*> indexed;
  std::size_t failed = 0;
  for (const std::shared_ptr<Chunk>& chunk : batch.chunks) {
    for (PendingMemory& memory : chunk->memories) {
      if (!wants_slot(&memory) || try_insert(memory)) {
        indexed.push_back(&memory);
      } else {
        ++failed;
        aside_.push_back({chunk, &memory});
      }
    }
  }
  room_.hold({failed, 0});
  aside_count_.store(aside_.size(), std::memory_order_relaxed);
  finish(batch, indexed);
  return failed;
}

std::size_t Store::retry_aside() {
  const Use use = usable();
  const std::lock_guard indexing(index_mutex_);
  std::vector<PendingMemory*> indexed;
  std::erase_if(aside_, [&](const Aside& each) {
    if (wants_slot(each.memory) && !try_insert(*each.memory)) return false;
    indexed.push_back(each.memory);
    return true;
  });
  room_.give_back({indexed.size(), 0});
  aside_count_.store(aside_.size(), std::memory_order_relaxed);
  finish({}, indexed);
  return aside_.size();
}

bool Store::try_insert(PendingMemory& memory) {
  try {
    insert(memory);
    return true;
  } catch (const std::exception&) {  // it stays in the queue, where recalls find it
    return false;
  }
}

// Shows what was inserted, and lets the queue go of it.
void Store::finish(const Queue::Batch& batch, std::span<PendingMemory* const> memories) {
  for (std::size_t begin = 0; begin < memories.size(); begin += kPublishSlice) {
    const std::unique_lock lock(table_mutex_);
    const std::size_t end = std::min(begin + kPublishSlice, memories.size());
    for (std::size_t i = begin; i < end; ++i) publish(*memories[i]);
  }
  for (const std::shared_ptr<Chunk>& chunk : batch.chunks) {
    metrics_.index_lag.record(nanoseconds_since(chunk->visible_at), chunk->weight());
  }
  queue_.trim();
  retire_dead();
  {
    const std::lock_guard lock(progress_mutex_);
    indexed_.store(std::max(indexed_.load(std::memory_order_relaxed), batch.through),
                   std::memory_order_release);
    progress_.notify_all();
  }
}

bool Store::commit_due() const {
  const Load waiting = uncommitted_.load();
  return waiting.memories >= std::clamp<std::size_t>(options_.queue_capacity / 4, 1, kCommitMemories) ||
         waiting.bytes >= options_.queue_bytes / 4;
}

void Store::committed(const Queue::Batch& batch) {
  const Use use = usable();
  uncommitted_.drop(batch);
  Load load;
  for (const std::shared_ptr<Chunk>& chunk : batch.chunks) {
    const Load each = load_of(*chunk);
    load.memories += each.memories;
    load.bytes += each.bytes;
  }
  room_.give_back(load);
}

void Store::insert(PendingMemory& memory) {
  if (options_.before_insert) options_.before_insert(memory.id);
  const hnsw::Slot slot = graph_->insert(memory.vector, memory.key, hnsw::kHidden);
  rows_.set(slot, memory.id, memory.confidence, read(memory.activation));
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
    *ids_->find(ids_->hash(memory.id), Place::pending(&memory)) = Place::hot(memory.slot);
  } else {
    dead_.push_back(memory.slot);
  }
  memory.stage.store(Stage::kInGraph, std::memory_order_release);
}

// Takes what died out of graph and segments once no recall that could count it is left.
void Store::retire_dead() {
  if (!aging_.any) {
    const std::unique_lock lock(table_mutex_);
    aging_.any = !dead_.empty() || rows_died_;
    aging_.slots.swap(dead_);
    aging_.visible = queue_.visible();
    aging_.turns = 0;
    rows_died_ = false;
  }
  if (!aging_.any) return;
  while (aging_.turns < 2) {
    if (!readers_.advance()) return;
    ++aging_.turns;
  }
  for (const hnsw::Slot slot : aging_.slots) {
    graph_->retire(slot);
    moved_out_.erase(slot);
  }
  aging_.slots.clear();
  aging_.any = false;
  const std::unique_lock lock(table_mutex_);
  // A row that left since the turn began is dead from what was visible then, and has to count for the recalls
  // that began before it left, as of one below: it waits for a turn in which none leaves.
  const std::uint64_t below = rows_died_ ? std::min<std::uint64_t>(aging_.visible, 1) : 0;
  for (const auto& segment : queue_.view().tiers->segments) {
    segment->live.settle(aging_.visible - below);
  }
}

// A turn that is under way knows nothing of what died since it began: it is ended, and another begun.
void Store::retire_all_dead() {
  retire_dead();
  retire_dead();
}

// Has slots that memories moved out of free for those that come, as far as no recall is in the way: left to
// be freed little by little, the graph would take several times what is alive in it while a load goes on.
void Store::reclaim() {
  const std::lock_guard indexing(index_mutex_);
  retire_all_dead();
  graph_->settle();
}

}  // namespace engram::engine
