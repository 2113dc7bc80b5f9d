// Writing: from a call through the log to being visible; and waiting for what was written.
#include <string>
#include <thread>
#include <utility>

#include "base/error.h"
#include "engine/store.h"
#include "engine/waits.h"

namespace engram::engine {
namespace {

// Counts among those who wait while it lives.
class Counted {
 public:
  explicit Counted(std::atomic<std::size_t>& count) : count_(count) { count_.fetch_add(1); }
  ~Counted() { count_.fetch_sub(1); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<std::size_t>& count_;
};

}  // namespace

Load Store::load_of(const Chunk& chunk) const {
  const std::size_t each = sizeof(PendingMemory) + coder_->code_bytes();
  return {chunk.weight(), sizeof(Chunk) + chunk.payload.size() + chunk.memories.size() * each};
}

void Store::wait_for_room(Load load, std::optional<Seconds> timeout) {
  if (room_.take(load, timeout, options_.on_wait)) return;
  const Load taken = room_.taken();
  throw QueueFull("the queue of memories to be indexed stayed full (" + std::to_string(taken.memories) +
                  " of queue_capacity " + std::to_string(options_.queue_capacity) + ", " +
                  std::to_string(taken.bytes) + " bytes of queue_bytes " +
                  std::to_string(options_.queue_bytes) +
                  "): nothing was stored; try again, or raise timeout");
}

// What those who sleep until the disk has done its part owe to those who recall: not to wake up on their
// processor while another runs what nobody waits for; and, when one that stores alone is ahead of the
// indexer, to leave it some time, since for what is pending every recall pays, by its scan. Several writers
// wait for each other as it is; and a burst that does not wait for the disk is taken whole.
void Store::spare_recalls(wal::Sync sync) {
  if (sync != wal::Sync::kAlways || !options_.folder) return;
  if (recalling_.is_here()) recalling_.step_aside();
  if (writing_.load(std::memory_order_relaxed) > 1) return;
  if (!recalled_.load(std::memory_order_relaxed) || !toll_.is_due(queue_.depth())) return;
  recalled_.store(false, std::memory_order_relaxed);
  pauses_.fetch_add(1, std::memory_order_relaxed);
  std::this_thread::sleep_for(Toll::kPause);
}

std::uint64_t Store::append(std::shared_ptr<Chunk> chunk, std::optional<wal::Sync> sync,
                            std::optional<Seconds> timeout) {
  const Use use = writable();
  const Timer timer(metrics_.store);
  const Counted writing(writing_);
  spare_recalls(sync.value_or(options_.sync));
  const Load load = load_of(*chunk);
  wait_for_room(load, timeout);
  try {
    // The context points into this frame, which outlives the commit: append() returns after it.
    return log_->append(chunk->payload, sync, reinterpret_cast<std::uint64_t>(&chunk));
  } catch (...) {
    room_.give_back(load);
    throw;
  }
}

std::uint64_t Store::put(std::vector<std::byte> payload, std::optional<wal::Sync> sync,
                         std::optional<Seconds> timeout) {
  return append(make_chunk(std::move(payload), manifest_.dim, "this call", *coder_), sync, timeout);
}

std::optional<std::uint64_t> Store::forget(std::string_view id, std::optional<wal::Sync> sync,
                                           std::optional<Seconds> timeout) {
  const Use use = writable();
  if (!contains(id)) return std::nullopt;
  Entry entry;
  entry.op = Op::kForget;
  entry.id = id;
  std::vector<std::byte> payload;
  encode(entry, manifest_.dim, payload);
  const std::shared_ptr<Chunk> chunk = make_chunk(std::move(payload), manifest_.dim, "this call", *coder_);
  const std::uint64_t lsn = append(chunk, sync, timeout);
  // Another thread may have forgotten it since contains().
  return chunk->forgot ? std::optional(lsn) : std::nullopt;
}

// Runs in the committing leader, group after group.
void Store::commit(std::span<const wal::Record> group) {
  std::vector<std::shared_ptr<Chunk>> chunks;
  chunks.reserve(group.size());
  touched_.store(true, std::memory_order_relaxed);
  try {
    make_visible(group, chunks);
  } catch (...) {  // no memory; what the table names already must not be freed
    stranded_.swap(chunks);
    throw;
  }
  metrics_.queue_depth.record(queue_.depth());
  tell_indexer();
}

// The table's lock is held until the group is visible: whoever sees a version in the table must find it in a
// recall that begins afterwards, and what the group replaced must not leave the queue before.
void Store::make_visible(std::span<const wal::Record> group, std::vector<std::shared_ptr<Chunk>>& chunks) {
  const std::unique_lock lock(table_mutex_);
  const auto now = std::chrono::steady_clock::now();
  for (const wal::Record& record : group) {
    chunks.push_back(*reinterpret_cast<const std::shared_ptr<Chunk>*>(record.context));
    apply(*chunks.back(), record.lsn);
    chunks.back()->visible_at = now;
  }
  uncommitted_.push(chunks);  // first: once it is visible, its texts are looked for there
  queue_.push(chunks);
}

void Store::apply(Chunk& chunk, std::uint64_t lsn) {
  chunk.last_key = lsn;
  for (PendingMemory& memory : chunk.memories) {
    memory.key = lsn + memory.entry_offset;
    chunk.last_key = memory.key;
    apply_store(chunk, memory);
  }
  if (!chunk.forgotten.empty()) apply_forget(chunk);
}

// Newer than what is there: but for what is replayed, every record is. What is replayed may already lie in a
// segment, or have been replaced there.
void Store::apply_store(Chunk& chunk, PendingMemory& memory) {
  const std::uint64_t hash = ids_->hash(memory.id);
  Place* there = ids_->find(hash, [&](Place place) { return is_at(place, memory.id); });
  if (there == nullptr) {
    ids_->add(hash, Place::pending(&memory));
    return;
  }
  if (key_at(*there) >= memory.key) {
    memory.dead_at.store(memory.key, std::memory_order_release);
    return;
  }
  const Activation before = read(activation_at(*there));
  memory.activation = before.touched(memory.created_at, options_.half_life).bits();
  supersede(*there, memory.key, chunk);
  *there = Place::pending(&memory);
}

void Store::apply_forget(Chunk& chunk) {
  Place* there = find(chunk.forgotten);
  chunk.forgot = there != nullptr && key_at(*there) < chunk.last_key;
  if (!chunk.forgot) return;
  supersede(*there, chunk.last_key, chunk);
  ids_->erase(there);
}

void Store::supersede(Place place, std::uint64_t key, Chunk& by) {
  by.retired.push_back(key_at(place));
  if (place.is_pending()) {
    place.memory()->dead_at.store(key, std::memory_order_release);
  } else {
    leave(place, key);
  }
}

// The copy there counts for snapshots below `dead_at` alone, and goes when none of them is left.
void Store::leave(Place place, std::uint64_t dead_at) {
  if (place.is_hot()) {
    graph_->set_dead_at(place.slot(), dead_at);
    dead_.push_back(place.slot());
  } else {
    tiers_.at(place).live.kill(place.row(), dead_at);
    rows_died_ = true;
  }
}

std::size_t Store::text_limit() const {
  constexpr std::size_t kSlack = 128;  // the record's header and the padding
  return kRecordLimit - kSlack - kEntryHeaderBytes - manifest_.dim * sizeof(float);
}

bool Store::wait_durable(std::uint64_t lsn, std::optional<Seconds> timeout) {
  const Use use = usable();
  std::optional<std::chrono::nanoseconds> most;
  if (timeout) most = std::chrono::duration_cast<std::chrono::nanoseconds>(*timeout);
  return log_->wait_durable(lsn, most);
}

bool Store::wait_indexed(std::uint64_t lsn, std::optional<Seconds> timeout) const {
  const Use use = usable();
  const Counted awaiting(awaiting_);
  tell_indexer();
  std::unique_lock lock(progress_mutex_);
  const auto ready = [&] { return closed_ || indexed_lsn() > lsn; };
  if (!wait_sliced(lock, progress_, timeout, options_.on_wait, ready)) return false;
  if (indexed_lsn() > lsn) return true;
  throw StoreClosed("the store was closed while the call waited for its index");
}

void Store::flush() {
  const Use use = usable();
  log_->flush();
}

std::uint64_t Store::end_lsn() const {
  const Use use = usable();
  return log_->end_lsn();
}

std::uint64_t Store::synced_lsn() const {
  const Use use = usable();
  return log_->synced_lsn();
}

}  // namespace engram::engine
