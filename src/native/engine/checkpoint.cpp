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
#include "engine/scratch_memory.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

constexpr std::array<std::string_view, 2> kCheckpointFiles{"hot-", "tiers-"};
// A graph of more slots than this, of which so many to each that is in use are not, is written without those.
constexpr std::size_t kFewSlots = 4096;
constexpr double kLoose = 1.25;

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
    // Of what moved away the segment has a copy, which may move on, and the graph may have another by now.
    if (graph_->dead_at(slot) < lsn || moved_out_.contains(slot)) return;
    const HotRow& row = rows_.at(slot);
    rows.add(slot, row.id, row.confidence);
  });
  return rows;
}

// Where much has moved away the graph is written without the gaps that left: an open reads it faster, and
// takes no RAM for them.
void Store::write_hot(std::uint64_t generation, std::uint64_t lsn, bool tidily) {
  const Path& folder = *options_.folder;
  ScratchMemory memory(files_, folder / ("moving-" + std::to_string(generation) + ".graph"));
  std::vector<hnsw::Slot> place;
  std::unique_ptr<hnsw::Graph> tidy;
  if (tidily) tidy = graph_->try_in_walk_order(place, &memory);
  RowColumns rows = rows_below(lsn);
  if (tidy != nullptr) {
    for (hnsw::Slot& slot : rows.slots) slot = place[slot];
  }
  write_atomically(files_, rows_path(folder, generation), [&](File& file) { write_rows(file, lsn, rows); });
  const hnsw::Graph& graph = tidy != nullptr ? *tidy : *graph_;
  write_atomically(files_, graph_path(folder, generation), [&](File& file) { graph.save(file); });
}

std::uint64_t Store::checkpoint() {
  const Use use = writable();
  if (!options_.folder) return 0;
  lock_->check_place(*options_.folder);
  {
    const std::lock_guard indexing(index_mutex_);
    refuse_while_aside();
    Manifest next = manifest_;
    next.checkpoint_lsn = indexed_lsn();
    if (next.checkpoint_lsn == manifest_.checkpoint_lsn && promoted_.empty()) return next.checkpoint_lsn;
    next.generation = ++used_generation_;
    const Path& folder = *options_.folder;
    const bool tidily = graph_->slots() > kFewSlots &&
                        static_cast<double>(graph_->slots()) > kLoose * static_cast<double>(graph_->size());
    // What leaves the graph is in no checkpoint any more. So it leaves before the sync, which what replaced
    // it then is part of: a power cut must not take both.
    if (tidily) retire_all_dead();
    // Of the rows of segments that died by now, some died by records that come after the checkpoint.
    std::uint64_t visible = 0;
    const std::vector<Tombstones> dead = tombstones_now(visible, {}, Promoted::kDead);
    if (visible > 0) log_->wait_durable(visible - 1, std::nullopt);
    write_hot(next.generation, next.checkpoint_lsn, tidily);
    next.tombstones = write_dead(dead);
    write_manifest(files_, folder, next);
    adopt_manifest(std::move(next));
    promoted_.clear();
    remove_leftovers(kCheckpointFiles);
    log_->drop_below(manifest_.checkpoint_lsn, spare_log_bytes());
  }
  save_activations();
  return checkpoint_lsn();
}

// What a spare of the log may take beside the memories: a twentieth of them, and of a small store 8 MiB.
std::uint64_t Store::spare_log_bytes() const {
  constexpr std::uint64_t kLeast = 8u << 20;
  std::uint64_t memories = graph_->memory_bytes();
  for (const auto& segment : queue_.view().tiers->segments) memories += segment->file->disk_bytes();
  return std::max(kLeast, memories / 20);
}

void Store::refuse_while_aside() const {
  if (aside_.empty()) return;
  // It is in the log alone, whose head a checkpoint drops.
  throw Error("no checkpoint can be taken: " + std::to_string(aside_.size()) +
              " memories could not be indexed and are kept by the log alone; free some memory and try again");
}

// What was fixed when the store was created is read without a lock, and stays untouched.
void Store::adopt_manifest(Manifest next) {
  manifest_.generation = next.generation;
  manifest_.checkpoint_lsn = next.checkpoint_lsn;
  checkpoint_lsn_.store(next.checkpoint_lsn, std::memory_order_relaxed);
  manifest_.next_segment = next.next_segment;
  manifest_.segments_lsn = next.segments_lsn;
  manifest_.tombstones = next.tombstones;
  manifest_.segments = std::move(next.segments);
}

void Store::load_checkpoint() {
  const Path& folder = *options_.folder;
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
  checkpoint_lsn_.store(manifest_.checkpoint_lsn, std::memory_order_relaxed);
}

void Store::adopt_rows(const RowColumns& rows) {
  const Path path = rows_path(*options_.folder, manifest_.generation);
  enum class Slot : char { kEmpty, kUnlisted, kListed };
  std::vector<Slot> slots(graph_->slots(), Slot::kEmpty);
  graph_->each_present([&](hnsw::Slot slot) { slots[slot] = Slot::kUnlisted; });
  ids_->reserve(rows.size());
  std::size_t id_begin = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const hnsw::Slot slot = rows.slots[i];
    const std::string_view id(rows.id_bytes.data() + id_begin, rows.id_sizes[i]);
    id_begin += rows.id_sizes[i];
    if (slot >= slots.size() || slots[slot] != Slot::kUnlisted ||
        graph_->born(slot) >= manifest_.checkpoint_lsn) {
      refuse(path, "it lists a slot twice, or one that the graph does not have");
    }
    if (find(id) != nullptr) refuse(path, "it lists an id twice");
    slots[slot] = Slot::kListed;
    rows_.set(slot, id, rows.confidences[i], Activation());
    graph_->set_dead_at(slot, hnsw::kAlive);  // whatever replaced it since the checkpoint is replayed
    ids_->add(ids_->hash(id), Place::hot(slot));
  }
  for (hnsw::Slot slot = 0; slot < slots.size(); ++slot) {
    if (slots[slot] != Slot::kUnlisted) continue;
    graph_->set_dead_at(slot, hnsw::kHidden);
    dead_.push_back(slot);
  }
}

}  // namespace engram::engine
