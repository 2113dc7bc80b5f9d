// Checkpoints: the hot tier on disk, so that opening replays only what came after it and the log below it can
// go.
//
// Order is everything here: log synced, files written and synced beside, manifest renamed, and only then the
// old files and the log's head removed. A crash between any two steps leaves a store that opens.
#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "engine/rows_file.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

bool is_checkpoint_file(std::string_view name) {
  return name.starts_with("hot-") &&
         (name.ends_with(".graph") || name.ends_with(".rows") || name.ends_with(".tmp"));
}

[[noreturn]] void refuse(const Path& path, const std::string& what) {
  throw CorruptionError(path.string(), 0,
                        "the checkpoint file " + path.string() + " is damaged: " + what +
                            "; run `engram repair` to rebuild it from what is whole");
}

std::unique_ptr<hnsw::Graph> load_graph(FileSystem& files, const Path& path) {
  try {
    return hnsw::Graph::load(*files.open(path, OpenMode::kRead), path);
  } catch (const CorruptionError& error) {  // what helps with an index by itself is no help here
    throw CorruptionError(error.file, error.offset,
                          std::string(error.what()) +
                              " (it belongs to a checkpoint: run `engram repair` to keep what can be kept)");
  }
}

}  // namespace

// The rows of every slot that counts just below `lsn`. The indexer is paused, so slots and rows hold still;
// what writers replace meanwhile is replaced at an LSN that is not in the checkpoint.
RowColumns Store::rows_below(std::uint64_t lsn) const {
  RowColumns rows;
  graph_->each_present([&](hnsw::Slot slot) {
    if (graph_->dead_at(slot) < lsn) return;
    const HotRow& row = rows_.at(slot);
    rows.add(slot, row.id, row.confidence);
  });
  return rows;
}

std::uint64_t Store::checkpoint() {
  const Use use = writable();
  if (!options_.folder) return 0;
  const std::lock_guard indexing(index_mutex_);
  if (!aside_.empty()) {  // it is in the log alone, whose head a checkpoint drops
    throw Error(
        "no checkpoint can be taken: " + std::to_string(aside_.size()) +
        " memories could not be indexed and are kept by the log alone; free some memory and try again");
  }
  Manifest next = manifest_;
  next.checkpoint_lsn = indexed_lsn();
  if (next.checkpoint_lsn == manifest_.checkpoint_lsn) return next.checkpoint_lsn;
  ++next.generation;
  log_->wait_durable(next.checkpoint_lsn - 1, std::nullopt);
  const Path& folder = *options_.folder;
  write_atomically(files_, rows_path(folder, next.generation), [&](File& file) {
    write_rows(file, next.checkpoint_lsn, rows_below(next.checkpoint_lsn));
  });
  write_atomically(files_, graph_path(folder, next.generation), [&](File& file) { graph_->save(file); });
  write_manifest(files_, folder, next);
  manifest_ = next;
  remove_old_checkpoints();
  log_->drop_below(next.checkpoint_lsn);
  return next.checkpoint_lsn;
}

std::uint64_t Store::checkpoint_lsn() const {
  const std::lock_guard indexing(index_mutex_);
  return manifest_.checkpoint_lsn;
}

// What a checkpoint before this one, or one that was cut short, has left behind.
void Store::remove_old_checkpoints() {
  const Path& folder = *options_.folder;
  const std::string graph = graph_path(folder, manifest_.generation).filename().string();
  const std::string rows = rows_path(folder, manifest_.generation).filename().string();
  for (const std::string& name : files_.list(folder)) {
    if (is_checkpoint_file(name) && name != graph && name != rows) files_.remove(folder / name);
  }
}

void Store::load_checkpoint() {
  const Path& folder = *options_.folder;
  if (!options_.read_only) remove_old_checkpoints();
  if (manifest_.generation == 0) return;
  const Path graph_file = graph_path(folder, manifest_.generation);
  const Path rows_file = rows_path(folder, manifest_.generation);
  for (const Path& path : {graph_file, rows_file}) {
    if (!files_.exists(path)) refuse(path, "it is missing");
  }
  graph_ = load_graph(files_, graph_file);
  if (graph_->options().dim != manifest_.dim || graph_->options().metric != manifest_.metric) {
    refuse(graph_file, "it is of another dimension or metric");
  }
  adopt_rows(read_rows(*files_.open(rows_file, OpenMode::kRead), rows_file, manifest_.checkpoint_lsn));
  queue_.set_visible(manifest_.checkpoint_lsn);
  indexed_.store(manifest_.checkpoint_lsn, std::memory_order_release);
}

void Store::adopt_rows(const RowColumns& rows) {
  const Path path = rows_path(*options_.folder, manifest_.generation);
  enum class Slot : char { kEmpty, kUnlisted, kListed };
  std::vector<Slot> slots(graph_->slots(), Slot::kEmpty);
  graph_->each_present([&](hnsw::Slot slot) { slots[slot] = Slot::kUnlisted; });
  const auto at = [this](Place place) { return id_at(place); };
  std::size_t id_begin = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const hnsw::Slot slot = rows.slots[i];
    const std::string_view id(rows.id_bytes.data() + id_begin, rows.id_sizes[i]);
    id_begin += rows.id_sizes[i];
    if (slot >= slots.size() || slots[slot] != Slot::kUnlisted ||
        graph_->born(slot) >= manifest_.checkpoint_lsn) {
      refuse(path, "it lists a slot twice, or one that the graph does not have");
    }
    if (ids_->find(id, at) != nullptr) refuse(path, "it lists an id twice");
    slots[slot] = Slot::kListed;
    rows_.set(slot, id, rows.confidences[i]);
    graph_->set_dead_at(slot, hnsw::kAlive);  // whatever replaced it since the checkpoint is replayed
    ids_->add(id, Place::hot(slot), at);
  }
  for (hnsw::Slot slot = 0; slot < slots.size(); ++slot) {
    if (slots[slot] != Slot::kUnlisted) continue;
    graph_->set_dead_at(slot, hnsw::kHidden);
    dead_.push_back(slot);
  }
}

}  // namespace engram::engine
