// The segments of a store that is opened, and what is kept on disk beside them: which of their rows are dead,
// and how alive every memory is.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/error.h"
#include "engine/activation_file.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

// Named as this store names its files: what somebody put aside beside them stays.
bool is_ours(std::string_view name, std::span<const std::string_view> beginnings) {
  static constexpr std::array<std::string_view, 7> kEnds{".graph", ".rows", ".dead",   ".warm",
                                                         ".cold",  ".tmp",  ".vectors"};
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); }) &&
         std::any_of(kEnds.begin(), kEnds.end(), [&](std::string_view end) { return name.ends_with(end); });
}

void clear_bit(std::vector<std::byte>& bits, tier::Row row) {
  bits[row / 8] &= ~(std::byte{1} << (row % 8));
}

[[noreturn]] void refuse(const Path& path, const std::string& what) {
  throw CorruptionError(path.string(), 0,
                        "the segment " + path.string() + " " + what +
                            "; run `engram repair` to keep the memories that can be read");
}

}  // namespace

// What the manifest does not name: what it named before, or would have named had nothing failed.
void Store::remove_leftovers(std::span<const std::string_view> beginnings) {
  const Path& folder = *options_.folder;
  std::vector<Path> named;
  if (manifest_.generation != 0) {
    named = {graph_path(folder, manifest_.generation), rows_path(folder, manifest_.generation)};
  }
  if (manifest_.tombstones != 0) named.push_back(tombstones_path(folder, manifest_.tombstones));
  for (const SegmentName& segment : manifest_.segments) named.push_back(segment_path(folder, segment));
  for (const std::string& name : files_.list(folder)) {
    const bool wanted = std::find(named.begin(), named.end(), folder / name) != named.end();
    if (!wanted && is_ours(name, beginnings)) files_.remove(folder / name);
  }
}

void Store::load_segments() {
  const Path& folder = *options_.folder;
  used_generation_ = std::max(manifest_.generation, manifest_.tombstones);
  used_segment_ = manifest_.next_segment - 1;
  if (manifest_.segments.empty()) return;
  const Path dead_file = tombstones_path(folder, manifest_.tombstones);
  const std::vector<Tombstones> all = read_tombstones(files_, dead_file);
  std::size_t alive = ids_->size();
  for (const SegmentName& name : manifest_.segments) {
    const Path path = segment_path(folder, name);
    if (!files_.exists(path)) refuse(path, "is missing, though the manifest names it");
    auto file = tier::Segment::open(files_, path, cache_);
    if (file->dim() != manifest_.dim || file->shape().metric != manifest_.metric ||
        file->kind() != name.kind) {
      refuse(path, "is of another dimension, metric or kind than the store says");
    }
    auto segment = std::make_shared<TierSegment>(name, std::move(file), tier::LiveRows::Begin::kAlive);
    if (segment->youngest >= manifest_.segments_lsn)
      refuse(path, "holds memories that are younger than it may");
    const auto dead = std::find_if(all.begin(), all.end(),
                                   [&](const Tombstones& each) { return each.segment == name.number; });
    if (dead == all.end() || dead->rows != segment->live.rows() || !segment->live.bury_bits(dead->dead)) {
      throw CorruptionError(dead_file.string(), 0,
                            dead_file.string() + " does not fit segment " + path.string() +
                                "; run `engram repair` to keep the memories that can be read");
    }
    alive += segment->live.live_count();
    tiers_.add(segment);
  }
  ids_->reserve(alive);
  for (const auto& segment : tiers_.view()->segments) adopt_segment(*segment);
  queue_.show(tiers_.view());
}

// In ascending order of their numbers: of two copies of one version, which a move leaves until the next
// checkpoint, that in the later segment is the current one.
void Store::adopt_segment(TierSegment& segment) {
  const auto rows = static_cast<tier::Row>(segment.keys.size());
  for (tier::Row row = 0; row < rows; ++row) {
    if (!segment.live.dead(row)) adopt_row(segment, row);
  }
}

void Store::adopt_row(TierSegment& segment, tier::Row row) {
  const std::uint64_t hash = segment.hashes[row];
  const Place here = Place::tier(segment.index, row);
  // Ids are read only where the hash is there already.
  Place* there = ids_->find(
      hash, [&](Place place) { return key_at(place) == segment.keys[row] || same_id(segment, row, place); });
  if (there == nullptr) {
    ids_->add(hash, here);
  } else if (key_at(*there) > segment.keys[row]) {
    segment.live.bury(row);
  } else if (there->is_hot()) {
    graph_->set_dead_at(there->slot(), hnsw::kHidden);
    dead_.push_back(there->slot());
    *there = here;
  } else {
    tiers_.at(*there).live.bury(there->row());
    *there = here;
  }
}

// Where the damage of a page leaves it open, the hash says so.
bool Store::same_id(const TierSegment& segment, tier::Row row, Place place) const {
  if (place.is_hot()) return segment.file->id_is(row, rows_.at(place.slot()).id);
  try {
    return is_at(place, segment.file->id(row));
  } catch (const CorruptionError&) {
    return true;
  }
}

// What is in a segment was synced in the log before.
void Store::check_segments_end() const {
  if (manifest_.segments_lsn <= log_->end_lsn()) return;
  throw CorruptionError(log_path(*options_.folder).string(), log_->end_lsn(),
                        "the segments of " + name() + " hold memories stored up to " +
                            std::to_string(manifest_.segments_lsn) + ", but the log ends at " +
                            std::to_string(log_->end_lsn()) +
                            ": a part of the log is lost; run `engram repair` to keep what can be read");
}

std::uint64_t Store::catalog_lsn() const {
  const Use use = usable();
  const std::lock_guard indexing(index_mutex_);
  return std::max(manifest_.checkpoint_lsn, manifest_.segments_lsn);
}

// Whether a row is dead for recalls because its memory was promoted, and yet the copy that counts on disk: no
// checkpoint holds the one in the graph.
bool Store::counts_on_disk(Place place) const {
  if (!place.is_tier()) return false;
  const TierSegment& segment = tiers_.at(place);
  const std::uint64_t key = segment.keys[place.row()];
  const auto promoted = promoted_.find(key);
  if (promoted == promoted_.end() || promoted->second != place) return false;
  return ids_->find(segment.hashes[place.row()], [&](Place there) {
    return there.is_hot() && graph_->born(there.slot()) == key;
  }) != nullptr;
}

// The dead rows of all segments, and of those that are about to be shown: there, the rows whose memory is no
// longer where it lay. `visible` is as of then: what killed them is in the log below it.
std::vector<Tombstones> Store::tombstones_now(std::uint64_t& visible, std::span<const Arrival> arrivals,
                                              Promoted promoted) const {
  const std::shared_lock lock(table_mutex_);
  visible = queue_.visible();
  std::vector<Tombstones> all;
  for (const auto& segment : tiers_.view()->segments) {
    all.push_back({segment->name.number, segment->live.rows(), segment->live.dead_bits()});
    if (promoted == Promoted::kDead) continue;
    for (const auto& [key, place] : promoted_) {
      if (place.segment() == segment->index && counts_on_disk(place)) clear_bit(all.back().dead, place.row());
    }
  }
  for (const Arrival& arrival : arrivals) {
    const TierSegment& segment = *arrival.segment;
    Tombstones dead{segment.name.number, segment.live.rows(), segment.live.dead_bits()};
    for (tier::Row row = 0; row < arrival.from.size(); ++row) {
      const Place from = arrival.from[row];
      const bool current = ids_->find(segment.hashes[row], from) != nullptr;
      if (current || counts_on_disk(from)) clear_bit(dead.dead, row);
    }
    all.push_back(std::move(dead));
  }
  return all;
}

void Store::touch(SharedActivation& activation, double now) const {
  engine::touch(activation, now, options_.half_life);
  // Written once, not by every recall: they share its cache line.
  if (!touched_.load(std::memory_order_relaxed)) touched_.store(true, std::memory_order_relaxed);
}

void Store::save_activations() const {
  if (!options_.folder || !touched_.exchange(false, std::memory_order_relaxed)) return;
  SystemVector<KeyActivation> all;
  {
    const std::shared_lock lock(table_mutex_);
    all.reserve(ids_->size());
    ids_->for_each([&](std::uint64_t, Place place) {
      all.push_back({key_at(place), read(activation_at(place)).bits()});
    });
  }
  try {
    write_activations(files_, activation_path(*options_.folder), all);
  } catch (const IoError&) {  // what is lost is how alive they were since it was written last
    touched_.store(true, std::memory_order_relaxed);
  }
}

void Store::load_activations() {
  const ActivationFile file(files_, activation_path(*options_.folder));
  if (file.empty()) return;
  const std::shared_lock lock(table_mutex_);
  ids_->for_each([&](std::uint64_t, Place place) {
    if (const std::optional<Activation> found = file.find(key_at(place))) {
      activation_at(place).store(found->bits(), std::memory_order_relaxed);
    }
  });
}

}  // namespace engram::engine
