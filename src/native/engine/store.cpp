// Opening and closing. Beside it, what a store does while it is open: writing.cpp, reading.cpp, recall.cpp,
// indexing.cpp, checkpoint.cpp, segments.cpp, moving.cpp, publishing.cpp, compacting.cpp, inspect.cpp.
#include "engine/store.h"

#include <random>
#include <string>
#include <utility>

#include "base/error.h"
#include "engine/fork.h"
#include "engine/ram_log.h"

namespace engram::engine {
namespace {

const char* metric_name(hnsw::Metric metric) {
  switch (metric) {
    case hnsw::Metric::kCosine:
      return "cosine";
    case hnsw::Metric::kL2:
      return "l2";
    case hnsw::Metric::kIp:
      return "ip";
  }
  return "unknown";
}

hnsw::Options graph_options(const Options& options, const Manifest& manifest) {
  hnsw::Options graph;
  graph.dim = manifest.dim;
  graph.metric = manifest.metric;
  graph.m = options.m;
  graph.ef_construction = options.ef_construction;
  graph.seed = options.seed;
  return graph;
}

wal::Options log_options(const Options& options) {
  wal::Options log;
  log.sync = options.sync;
  log.interval = options.interval;
  log.read_only = options.read_only;
  log.ring_bytes = 2 * kRecordLimit;
  return log;
}

// Its files are partly the old ones: until `engram repair` has put the rest in place, nobody may use them.
[[noreturn]] void refuse_half_repaired(const Path& folder) {
  throw CorruptionError(half_repaired_path(folder).string(), 0,
                        "a repair of " + folder.string() +
                            " was cut short after it had begun to put the new files in place: run `engram "
                            "repair` to finish it");
}

// `folder` has no manifest: is it a store all the same? Not one that somebody has just made.
void refuse_if_manifest_is_lost(FileSystem& files, const Path& folder) {
  if (!files.exists(folder) || !files.exists(lock_path(folder))) return;
  const auto refuse = [&](const std::string& proof) {
    if (!files.exists(manifest_path(folder))) refuse_lost_manifest(folder, proof);
  };
  for (const std::string& name : files.list(folder)) {
    if (proves_a_store(name)) refuse("there is " + name);
  }
  if (!files.exists(log_path(folder))) return;
  wal::Options options;
  options.read_only = true;
  wal::Log::open(
      files, log_path(folder), options, 0, [&](const wal::Record&) { refuse("its log holds records"); },
      [](std::span<const wal::Record>) {});
}

}  // namespace

Store::Store(FileSystem& files, const Options& options)
    : files_(files),
      options_(options),
      room_({options.queue_capacity, options.queue_bytes}),
      cache_(options.page_cache_bytes) {
  options_.batch_bytes = std::min({options_.batch_bytes, kRecordLimit / 2, options_.queue_bytes / 2});
  watch_forks(this);
  try {
    set_up();
  } catch (...) {
    unwatch_forks(this);
    throw;
  }
}

void Store::set_up() {
  if (options_.folder) {
    open_folder(*options_.folder);
  } else {
    if (options_.read_only) throw InvalidInput("path=None is a new store in RAM: it cannot be read_only");
    manifest_ = make_manifest();
    created_ = true;
  }
  graph_ = std::make_unique<hnsw::Graph>(graph_options(options_, manifest_));
  ids_ = std::make_unique<IdTable>(manifest_.hash_seed);
  coder_ = std::make_unique<Coder>(manifest_.metric, manifest_.dim);
  queue_.use_codes(coder_->code_bytes());
  queue_.show(tiers_.view());
}

Store::~Store() {
  unwatch_forks(this);
  if (forked_) {
    // Their destructors would join threads the child does not have.
    static_cast<void>(lock_.release());
    static_cast<void>(log_.release());
    return;
  }
  try {
    close();
  } catch (const std::exception&) {  // NOLINT: nobody is left to tell
  }
}

Manifest Store::make_manifest() const {
  if (!options_.dim) {
    const std::string none =
        options_.folder ? "there is no store in " + options_.folder->string() + ": " : "";
    throw InvalidInput(
        none + "a new store needs dim=, the length of its vectors: give it, or an embedder that has one");
  }
  Manifest manifest;
  manifest.dim = *options_.dim;
  manifest.metric = options_.metric.value_or(hnsw::Metric::kCosine);
  std::random_device device;
  manifest.hash_seed = std::uint64_t{device()} << 32 | device();
  return manifest;
}

void Store::check_against(const Manifest& manifest) const {
  const std::string folder = options_.folder->string();
  if (options_.dim && *options_.dim != manifest.dim) {
    throw DimensionMismatch(folder + " holds vectors of " + std::to_string(manifest.dim) +
                            " dimensions, not " + std::to_string(*options_.dim) +
                            " (fixed when it was created): use vectors of that length, or another folder");
  }
  if (options_.metric && *options_.metric != manifest.metric) {
    throw InvalidInput(folder + " was created with metric \"" + metric_name(manifest.metric) + "\", not \"" +
                       metric_name(*options_.metric) + "\": name that one or none, or use another folder");
  }
}

void Store::prepare_folder(const Path& folder) {
  if (files_.exists(manifest_path(folder))) return;
  refuse_if_manifest_is_lost(files_, folder);
  if (options_.read_only) {
    throw InvalidInput(folder.string() + " is not an Engram store, and looking at it creates none");
  }
  make_manifest();  // refuses before anything is created
  if (files_.exists(folder)) {
    check_creatable(files_, folder);
    return;
  }
  std::vector<Path> missing;
  for (Path at = folder; !at.empty() && !files_.exists(at); at = at.parent_path()) missing.push_back(at);
  for (; !missing.empty(); missing.pop_back()) {
    const Path parent = missing.back().parent_path();
    files_.make_folder(missing.back());
    files_.sync_folder(parent.empty() ? Path(".") : parent);
  }
}

void Store::open_folder(const Path& folder) {
  if (files_.exists(half_repaired_path(folder))) {
    const FolderLock lock(files_, folder, LockMode::kShared);  // says so if the repair is still under way
    refuse_half_repaired(folder);
  }
  prepare_folder(folder);
  {
    const std::unique_lock none = hold_forks();  // a child would keep the lock it does not know of
    lock_ = std::make_unique<FolderLock>(files_, folder,
                                         options_.read_only ? LockMode::kShared : LockMode::kExclusive);
  }
  // A repair may have come and been killed since.
  if (files_.exists(half_repaired_path(folder))) refuse_half_repaired(folder);
  // Read under the lock: another process may have created the store since.
  const std::optional<Manifest> found = read_manifest(files_, folder);
  created_ = !found;
  // The lock file marks what follows as ours: a power cut must not leave that without it.
  if (created_) files_.sync_folder(folder);
  manifest_ = found ? *found : make_manifest();
  check_against(manifest_);
}

void Store::recover(const std::function<void()>& step) {
  const wal::Commit on_commit = [this](std::span<const wal::Record> group) { commit(group); };
  if (!options_.folder) {
    log_ = std::make_unique<RamLog>(on_commit);
    return;
  }
  const Path folder = log_path(*options_.folder);
  if (!created_ && !files_.exists(folder)) {
    throw CorruptionError(folder.string(), 0,
                          folder.string() +
                              ", the store's log, is missing: restore it from a backup, or run `engram "
                              "repair` to keep what the checkpoint holds");
  }
  if (!options_.read_only) {
    static constexpr std::array<std::string_view, 4> kOurs{"hot-", "tiers-", "seg-", "moving-"};
    remove_leftovers(kOurs);
  }
  load_checkpoint();
  load_segments();
  log_ = wal::Log::open(
      files_, folder, log_options(options_), manifest_.checkpoint_lsn,
      [&](const wal::Record& record) { replay(record, step); }, on_commit);
  check_segments_end();
  while (queue_.has_work()) step();
  load_activations();
  touched_.store(false, std::memory_order_relaxed);
  // The manifest comes last: until it is there, the folder is a creation that was cut short.
  if (created_) write_manifest(files_, *options_.folder, manifest_);
}

void Store::replay(const wal::Record& record, const std::function<void()>& step) {
  if (created_) refuse_lost_manifest(*options_.folder, "its log holds records");
  auto chunk = make_chunk({record.payload.begin(), record.payload.end()}, manifest_.dim,
                          log_path(*options_.folder), *coder_);
  while (!room_.try_take(load_of(*chunk))) {
    const std::size_t before = room_.taken().memories;
    step();
    if (room_.taken().memories >= before) {
      throw Error("recovery made no progress: the queue stayed full after a step");
    }
  }
  const std::array<wal::Record, 1> group{
      wal::Record{record.lsn, chunk->payload, reinterpret_cast<std::uint64_t>(&chunk)}};
  commit(group);
}

Store::Use Store::usable() const {
  Use use(users_);  // before the look at closed_: close() sets that and then waits for the users
  if (forked_.load(std::memory_order_acquire)) {
    throw Error(
        "this store was opened before a fork and belongs to the parent process: open it anew in the child, "
        "after the parent has closed it");
  }
  if (closed_.load(std::memory_order_seq_cst)) {
    throw StoreClosed("the store is closed: open it again with engram.open()");
  }
  return use;
}

Store::Use Store::writable() const {
  Use use = usable();
  if (options_.read_only) {
    throw ReadOnlyStore(options_.folder->string() +
                        " was opened with read_only=True: open it without to write");
  }
  return use;
}

void Store::close() {
  if (forked_ || closed_.exchange(true)) return;
  stop_indexing();
  {
    const std::lock_guard lock(progress_mutex_);
    progress_.notify_all();
  }
  room_.close();
  probe_.stop();
  const auto release = [this] {
    users_.wait_until_gone();
    try {
      if (log_ != nullptr && !log_->failed() && !options_.read_only) save_activations();
    } catch (const std::exception&) {  // NOLINT: what is lost is how alive memories were
    }
    queue_.clear();
    uncommitted_.clear();
    tiers_.clear();
    graph_.reset();
    ids_.reset();
    rows_.clear();
    log_.reset();
    lock_.reset();
  };
  try {
    if (log_ != nullptr) log_->close();
  } catch (...) {
    release();
    throw;
  }
  release();
}

void Store::abandon() noexcept {
  forked_.store(true, std::memory_order_release);
  if (lock_ != nullptr) lock_->abandon();
  if (log_ != nullptr) log_->abandon();
}

}  // namespace engram::engine
