// One store: the log, the queue, the hot graph, the segments of the lower tiers and the table of ids, tied
// together so that a memory is visible when its call returns and stays until it is replaced or forgotten.
//
// Thread-safety: everything from any thread, but open (the constructor), recover() and close(), which come
// from one; no lock is held around the walk of a recall. The order of locks: moving_mutex_, index_mutex_,
// table_mutex_, the queue's own.
//
// Invariants:
//  (1) Visibility moves in LSN order: a recall that begins when `visible` is V shows exactly the versions
//      with key < V that nothing with key < V replaced or forgot, each once.
//  (2) A memory is shown by the hot graph before the queue lets go of it; recalls read the queue first.
//  (3) A slot is taken out of the graph only after every recall that began before its memory was replaced,
//      forgotten or moved has ended, and used again only when every recall that found it there has.
//  (4) A memory that moves is shown in its new tier before its old one lets go of it: the copy there is dead
//      for snapshots from `visible` as of the move on, and goes when no older recall is left. (Until
//      something is stored, a recall that begins after the move has a snapshot below that too: it may find
//      both.)
//  (5) In the child of a fork every call throws, and nothing touches the files.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/file.h"
#include "base/occupancy.h"
#include "base/parallel.h"
#include "engine/coder.h"
#include "engine/compaction.h"
#include "engine/entry.h"
#include "engine/hot_rows.h"
#include "engine/ids.h"
#include "engine/lock.h"
#include "engine/manifest.h"
#include "engine/metrics.h"
#include "engine/moving.h"
#include "engine/probe.h"
#include "engine/queue.h"
#include "engine/readers.h"
#include "engine/recalled.h"
#include "engine/room.h"
#include "engine/rows_file.h"
#include "engine/tiers.h"
#include "engine/toll.h"
#include "engine/tombstones.h"
#include "engine/uncommitted.h"
#include "hnsw/graph.h"
#include "simd/kernels.h"
#include "wal/log.h"

namespace engram::engine {

inline constexpr std::size_t kRecordLimit = 8u << 20;  // the log takes a record of at most half its ring

struct Options {
  std::optional<Path> folder;  // none: in RAM, without a log
  std::optional<std::uint32_t> dim;
  std::optional<hnsw::Metric> metric;
  wal::Sync sync = wal::Sync::kAlways;
  std::chrono::milliseconds interval{50};
  bool read_only = false;
  std::size_t queue_capacity = 65'536;  // memories
  std::size_t queue_bytes = 256u << 20;
  std::size_t batch_bytes = 4u << 20;
  std::size_t m = 16;
  std::size_t ef_construction = 200;
  std::uint64_t seed = 0;
  std::size_t threads = 0;
  std::size_t page_cache_bytes = 64u << 20;
  // What moves and compactions may take of RAM for what they build; beyond, it lies in files that are mapped.
  std::size_t moving_ram_bytes = 16u << 20;
  double half_life = 7 * 24 * 3600;  // seconds in which a memory's activation halves
  // Called now and then, without a lock, while a call waits for room; may throw to give the wait up.
  std::function<void()> on_wait = [] {};
  // For tests: called before a memory is put into the graph, from many threads; may throw in its place.
  std::function<void(std::string_view id)> before_insert;
};

struct Version {
  std::uint64_t key;
  std::vector<float> vector;
};

struct Payload {
  std::optional<std::string> content;
  std::optional<std::string> metadata;
  double confidence;
  double created_at;
};

class Store {
 public:
  // Takes the lock, reads or creates the manifest. Errors: StoreLocked, InvalidInput (not a store; another
  // dim or metric), CorruptionError, UnsupportedFormat, IoError.
  Store(FileSystem& files, const Options& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Replays the log. `step` is called whenever the queue is full and at the end: it must take and index.
  void recover(const std::function<void()>& step);

  std::size_t dim() const { return manifest_.dim; }
  hnsw::Metric metric() const { return manifest_.metric; }
  bool created() const { return created_; }

  // Errors of all writes: ReadOnlyStore, StoreClosed, QueueFull, InvalidInput, DurabilityError, OutOfSpace.
  void check_vector(const float* vector, std::optional<std::size_t> row) const;  // InvalidVector
  // `payload` holds encoded store entries (entry.h) whose vectors were checked. Returns the record's LSN.
  std::uint64_t put(std::vector<std::byte> payload, std::optional<wal::Sync> sync,
                    std::optional<Seconds> timeout);
  std::optional<std::uint64_t> forget(std::string_view id, std::optional<wal::Sync> sync,
                                      std::optional<Seconds> timeout = std::nullopt);

  // `now` (seconds since 1970) is when the memory was got.
  std::optional<Version> get(std::string_view id, double now) const;
  std::optional<std::uint64_t> key(std::string_view id) const;  // of the current version
  std::optional<Payload> payload(std::string_view id, std::uint64_t key) const;
  bool contains(std::string_view id) const;
  std::size_t size() const;
  std::vector<std::string> ids() const;

  Recalled recall(const float* cue, const RecallOptions& options) const;
  std::vector<Recalled> recall_many(const float* cues, std::size_t count, const RecallOptions& options) const;

  // The indexer's side. take() waits up to `timeout` for work; an empty batch means none came.
  Queue::Batch take(std::size_t most, Seconds timeout);
  void sync_for(const Queue::Batch& batch);
  // With Priority::kIdle only as long as nobody waits for it; then in the background.
  // Errors: what an insertion fails with; nothing of the batch is shown yet then, and it can be tried again.
  void index(const Queue::Batch& batch, Priority priority = Priority::kCaller);
  // Whether somebody waits for the index or soon would, for room in the queue.
  bool is_awaited() const;
  // For a batch that keeps failing: indexes what can be, and sets the rest aside: it stays in the queue,
  // recalled by scan, until retry_aside() succeeds. Returns how many were set aside, or still are.
  std::size_t set_aside(const Queue::Batch& batch);
  std::size_t retry_aside();
  std::size_t aside() const { return aside_count_.load(std::memory_order_relaxed); }
  void stop_indexing();
  std::size_t depth() const { return queue_.depth(); }  // memories no batch has taken yet
  // Makes every call that waits for room give up with QueueFull, to see what is wrong.
  void interrupt_waits() { room_.interrupt(); }
  // What is indexed and not in the catalog yet; and to say that it is there now, durable or not.
  Queue::Batch uncommitted() const { return uncommitted_.below(indexed_lsn()); }
  // Whether so much of that has come together that it should go there now.
  bool commit_due() const;
  void committed(const Queue::Batch& batch);

  // Writes the graph as it stands to disk, so that opening replays only what comes after, and drops the log
  // below. Call with the catalog durable up to indexed_lsn() and no batch between take() and index(). Writers
  // go on meanwhile. Returns the checkpoint's LSN. Errors: as writes; IoError (the checkpoint before stays).
  std::uint64_t checkpoint();
  std::uint64_t checkpoint_lsn() const { return checkpoint_lsn_.load(std::memory_order_relaxed); }

  // What must be in the catalog, durably: every memory whose record the log need not hold any more, or that
  // lies in a segment, has a smaller key.
  std::uint64_t catalog_lsn() const;

  // Where every memory that is indexed lies, and how alive it is.
  TierTable tier_table(double now) const;
  // Moves memories, named by their keys, to other tiers; those whose key is not below `catalog_lsn` (durable
  // in the catalog), that have changed meanwhile or that are there already stay. One call at a time; others
  // wait. Errors: as writes; IoError, OutOfSpace, CorruptionError (nothing has moved); InvalidInput (in RAM).
  MoveReport move(std::span<const std::uint64_t> keys, std::span<const Tier> targets, const MoveOptions& how);
  // Rewrites segments of which much is dead and merges those of a tier that has too many. Errors: as move().
  CompactReport compact(const MoveOptions& how);
  bool wait_durable(std::uint64_t lsn, std::optional<Seconds> timeout);
  bool wait_indexed(std::uint64_t lsn, std::optional<Seconds> timeout) const;
  void flush();
  std::uint64_t end_lsn() const;
  std::uint64_t synced_lsn() const;
  std::uint64_t indexed_lsn() const { return indexed_.load(std::memory_order_acquire); }
  // One above the last visible key; 0 when there is none. What waits for all that is stored waits below it.
  std::uint64_t visible_lsn() const { return queue_.visible(); }
  std::size_t batch_bytes() const { return options_.batch_bytes; }
  // The most memories one record should hold.
  std::size_t batch_rows() const { return std::min(kMostRows, options_.queue_capacity); }
  // The most bytes the id, content and metadata of one memory may take together.
  std::size_t text_limit() const;

  // Waits up to `timeout` for the cue of a recall, answers it exactly as well and compares. Returns the
  // seconds of a processor that took, or nothing when no recall came.
  std::optional<double> probe(Seconds timeout);
  Probe::Estimate recall_estimate() const { return probe_.estimate(); }
  void stop_probing() { probe_.stop(); }

  std::map<std::string, Histogram::Snapshot> histograms() const;
  std::map<std::string, std::map<std::string, double>> stats() const;
  // Checks that table, queue and graph agree. Errors: CorruptionError. Returns what was counted.
  std::map<std::string, std::size_t> verify() const;

  void close();
  void abandon() noexcept;  // the child side of a fork

 private:
  struct Merge;
  static constexpr std::size_t kMostRows = 8192;

  // Reading a place; table_mutex_ held.
  bool is_at(Place place, std::string_view id) const noexcept;
  std::string id_at(Place place) const;  // CorruptionError
  std::uint64_t key_at(Place place) const;
  bool alive_at(Place place) const;  // to recalls that begin now
  SharedActivation& activation_at(Place place) const;
  Place* find(std::string_view id);
  const Place* find(std::string_view id) const;

  // A call that is under way: while one lives, close() lets go of nothing.
  using Use = Readers::Reading;
  [[nodiscard]] Use usable() const;    // throws StoreClosed, or Error in a forked child
  [[nodiscard]] Use writable() const;  // the same, and ReadOnlyStore
  void set_up();
  void open_folder(const Path& folder);
  void prepare_folder(const Path& folder);
  Manifest make_manifest() const;
  void check_against(const Manifest& manifest) const;
  std::uint64_t append(std::shared_ptr<Chunk> chunk, std::optional<wal::Sync> sync,
                       std::optional<Seconds> timeout);

  Load load_of(const Chunk& chunk) const;
  void wait_for_room(Load load, std::optional<Seconds> timeout);
  void spare_recalls(wal::Sync sync);
  void commit(std::span<const wal::Record> group);
  void make_visible(std::span<const wal::Record> group, std::vector<std::shared_ptr<Chunk>>& chunks);
  void apply(Chunk& chunk, std::uint64_t lsn);
  void apply_store(Chunk& chunk, PendingMemory& memory);
  void apply_forget(Chunk& chunk);
  void supersede(Place place, std::uint64_t key, Chunk& by);
  void leave(Place place, std::uint64_t dead_at);
  void replay(const wal::Record& record, const std::function<void()>& step);

  RowColumns rows_below(std::uint64_t lsn) const;
  void write_hot(std::uint64_t generation, std::uint64_t lsn, bool tidily);
  void adopt_manifest(Manifest next);
  void refuse_while_aside() const;
  std::uint64_t spare_log_bytes() const;
  void load_checkpoint();
  void adopt_rows(const RowColumns& rows);

  void compare(const Probe::Cue& cue);

  // segments.cpp
  enum class Promoted { kDead, kAlive };  // how rows that were promoted since the last checkpoint are written
  void remove_leftovers(std::span<const std::string_view> beginnings);
  void load_segments();
  void adopt_segment(TierSegment& segment);
  void adopt_row(TierSegment& segment, tier::Row row);
  bool same_id(const TierSegment& segment, tier::Row row, Place place) const;
  void check_segments_end() const;
  // How alive each memory is; a store that is opened without that file begins anew.
  void save_activations() const;
  void load_activations();
  void touch(SharedActivation& activation, double now) const;
  bool counts_on_disk(Place place) const;
  std::vector<Tombstones> tombstones_now(std::uint64_t& visible, std::span<const Arrival> arrivals,
                                         Promoted promoted) const;

  // moving.cpp, compacting.cpp
  class Pace;
  class Cargo;
  struct Request;
  void check_movable() const;
  std::size_t graph_row_bytes() const;
  Request sort_out(std::span<const std::uint64_t> keys, std::span<const Tier> targets, const TierView& view,
                   std::uint64_t below, MoveReport& report) const;
  void fill(Cargo& cargo, std::span<const Place> places, const TierView& view, Pace& pace) const;
  static const TierSegment& segment_of(Place place, const TierView& view);
  std::vector<Arrival> seal_all(const Request& request, const TierView& view, Pace& pace);
  Arrival seal(const Cargo& cargo, Pace& pace);
  void discard_files(std::span<const Arrival> arrivals);
  void promote(std::span<const Place> places, const TierView& view, Pace& pace, MoveReport& report);
  Promotion read_for_promotion(Place from, const TierView& view) const;
  void promote(std::span<const Promotion> promotions, MoveReport& report);
  void show_promoted(const Promotion& promotion, hnsw::Slot slot, MoveReport& report);
  SystemVector<tier::Row> rows_to_keep(const TierSegment& segment) const;
  std::vector<SegmentSize> segment_sizes(const TierView& view) const;
  void rewrite(std::span<const std::shared_ptr<TierSegment>> leaving, Pace& pace, CompactReport& report);

  // publishing.cpp
  void exchange(std::span<Arrival> arrivals, std::span<const std::shared_ptr<TierSegment>> leaving,
                MoveReport& report);
  std::uint64_t write_dead(const std::vector<Tombstones>& dead);
  void show(std::span<Arrival> arrivals, std::span<const std::shared_ptr<TierSegment>> leaving,
            MoveReport& report);
  void show_row(TierSegment& segment, tier::Row row, Place from, MoveReport& report);

  void wait_for_work(Seconds timeout);
  void tell_indexer() const;
  void insert_all(std::vector<PendingMemory*> memories, Priority priority);
  void insert(PendingMemory& memory);
  bool try_insert(PendingMemory& memory);
  void finish(const Queue::Batch& batch, std::span<PendingMemory* const> memories);
  void publish(PendingMemory& memory);
  void retire_dead();
  void retire_all_dead();
  void reclaim();

  // inspect.cpp
  std::map<std::string, double> tier_stats(Tier tier) const;
  std::shared_ptr<const TierView> verify_places(std::map<std::string, std::size_t>& checked) const;
  void verify_vector(std::uint64_t hash, Place place) const;
  std::string name() const;
  [[noreturn]] void refuse_place(Place place, const char* what) const;

  // recall.cpp
  static bool hot_is_over(const Merge& merge, double begun);
  void search_hot(const float* cue, Merge& merge) const;
  void scan_queue(const float* cue, Merge& merge) const;
  void walk_hot(const float* cue, Merge& merge) const;
  void search_tier(Tier tier, const float* cue, Merge& merge) const;
  static void will_need(const Merge& merge);
  void name_hits(const Merge& merge, Recalled& recalled) const;
  void count(const Recalled& recalled) const;
  void make_way() const;

  FileSystem& files_;
  Options options_;
  Manifest manifest_;
  bool created_ = false;
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<wal::Log> log_;
  std::unique_ptr<hnsw::Graph> graph_;
  std::unique_ptr<IdTable> ids_;
  HotRows rows_;
  std::unique_ptr<Coder> coder_;
  Room room_;  // of what is not in the catalog and the index yet
  Queue queue_;
  Uncommitted uncommitted_;
  std::vector<std::shared_ptr<Chunk>> stranded_;  // the group for which memory ran out: the last there was
  mutable Metrics metrics_;
  mutable Probe probe_;
  mutable Occupancy recalling_;
  mutable std::atomic<bool> recalled_{false};  // since a writer last paused
  Toll toll_;
  std::atomic<std::size_t> pauses_{0};
  mutable Readers readers_;  // recalls
  mutable Readers users_;    // calls of any kind

  mutable tier::PageCache cache_;
  mutable std::array<TierCounters, kTiers> counters_;
  mutable std::atomic<bool> touched_{false};  // whether an activation is other than it was saved

  mutable std::shared_mutex table_mutex_;  // guards ids_ and the pairing of a place with dead_at
  Tiers tiers_;                            // guarded by table_mutex_
  std::vector<hnsw::Slot> dead_;           // superseded or moved, still in the graph; guarded by table_mutex_
  bool rows_died_ = false;                 // rows of segments did; guarded by table_mutex_
  std::atomic<std::uint64_t> indexed_{0};  // everything below is in the graph
  std::atomic<std::uint64_t> checkpoint_lsn_{0};  // as in the manifest, for whoever does not wait for a batch
  std::mutex moving_mutex_;                       // one move or compaction at a time
  mutable std::mutex index_mutex_;                // guards all below, and the graph while it is saved
  struct Aging {                                  // what died, waiting for the recalls of then to end
    std::vector<hnsw::Slot> slots;
    std::uint64_t visible = 0;
    bool any = false;
    int turns = 0;
  };
  Aging aging_;
  std::unordered_set<hnsw::Slot> moved_out_;  // of the dead slots, those whose memory lives on in a segment
  // By key: the row of a memory that was promoted, and which no checkpoint holds in the graph yet.
  std::unordered_map<std::uint64_t, Place> promoted_;
  std::uint64_t used_generation_ = 0;  // by files of a checkpoint or of dead rows, also by one that failed
  std::uint64_t used_segment_ = 0;     // the same of segments; guarded by moving_mutex_

  struct Aside {
    std::shared_ptr<Chunk> chunk;  // keeps the memory
    PendingMemory* memory;
  };
  std::vector<Aside> aside_;  // could not be indexed; guarded by index_mutex_
  std::atomic<std::size_t> aside_count_{0};

  mutable std::mutex progress_mutex_;
  mutable std::condition_variable progress_;  // indexed, closing
  mutable std::mutex work_mutex_;
  mutable std::condition_variable work_;     // for the indexer alone
  std::atomic<std::size_t> work_wanted_{0};  // how deep the queue has to be for it to be woken
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> writing_{0};           // calls that wait for the log
  mutable std::atomic<std::size_t> awaiting_{0};  // calls of wait_indexed()
  std::atomic<bool> closed_{false};
  std::atomic<bool> forked_{false};
};

}  // namespace engram::engine
