// From sealed files to tiers that recalls look into: the manifest first, then row by row what it says.
#include <algorithm>

#include "engine/store.h"

namespace engram::engine {
namespace {

// How many rows are shown under one hold of the table's lock: some 50 us.
constexpr std::size_t kShowSlice = 256;

bool names(const Manifest& manifest, std::uint64_t number) {
  return std::any_of(manifest.segments.begin(), manifest.segments.end(),
                     [number](const SegmentName& name) { return name.number == number; });
}

}  // namespace

// Takes sealed segments in and lets others go, by one manifest. What fails before it is written leaves all as
// it was; whether one that failed was written only the disk knows, so the files that it may name stay.
void Store::exchange(std::span<Arrival> arrivals, std::span<const std::shared_ptr<TierSegment>> leaving,
                     MoveReport& report) {
  const std::lock_guard indexing(index_mutex_);
  const Path& folder = *options_.folder;
  lock_->check_place(folder);
  Manifest next = manifest_;
  for (const auto& segment : leaving) std::erase(next.segments, segment->name);
  for (const Arrival& arrival : arrivals) {
    next.segments.push_back(arrival.segment->name);
    next.segments_lsn = std::max(next.segments_lsn, arrival.segment->youngest + 1);
  }
  next.next_segment = used_segment_ + 1;
  std::uint64_t visible = 0;
  std::vector<Tombstones> dead = tombstones_now(visible, arrivals, Promoted::kAlive);
  std::erase_if(dead, [&](const Tombstones& each) { return !names(next, each.segment); });
  // What killed those rows: nothing may outrun the log.
  const std::uint64_t old_tombstones = manifest_.tombstones;
  try {
    if (visible > 0) log_->wait_durable(visible - 1, std::nullopt);
    next.tombstones = write_dead(dead);
  } catch (...) {
    discard_files(arrivals);
    throw;
  }
  write_manifest(files_, folder, next);
  adopt_manifest(std::move(next));
  show(arrivals, leaving, report);
  for (const auto& segment : leaving) discard(files_, segment->file->path());
  if (old_tombstones != 0) discard(files_, tombstones_path(folder, old_tombstones));
  retire_dead();
}

// The generation of the file; 0 when there is nothing to write.
std::uint64_t Store::write_dead(const std::vector<Tombstones>& dead) {
  if (dead.empty()) return 0;
  write_tombstones(files_, tombstones_path(*options_.folder, ++used_generation_), dead);
  return used_generation_;
}

void Store::show(std::span<Arrival> arrivals, std::span<const std::shared_ptr<TierSegment>> leaving,
                 MoveReport& report) {
  {
    const std::unique_lock lock(table_mutex_);
    for (const Arrival& arrival : arrivals) tiers_.add(arrival.segment);
    queue_.show(tiers_.view());
  }
  for (const Arrival& arrival : arrivals) {
    for (std::size_t begin = 0; begin < arrival.from.size(); begin += kShowSlice) {
      const std::unique_lock lock(table_mutex_);
      const std::size_t end = std::min(begin + kShowSlice, arrival.from.size());
      for (std::size_t row = begin; row < end; ++row) {
        show_row(*arrival.segment, static_cast<tier::Row>(row), arrival.from[row], report);
      }
    }
  }
  const std::unique_lock lock(table_mutex_);
  for (const auto& segment : leaving) {
    // What was carried over has a new place by now; the rest was replaced or forgotten since its promotion.
    std::erase_if(promoted_, [&](const auto& each) { return each.second.segment() == segment->index; });
    tiers_.remove(*segment);
  }
  queue_.show(tiers_.view());
}

void Store::show_row(TierSegment& segment, tier::Row row, Place from, MoveReport& report) {
  const Place here = Place::tier(segment.index, row);
  const auto promoted = promoted_.find(segment.keys[row]);
  if (promoted != promoted_.end()) {
    // Its memory is in the graph, and this the copy that counts on disk; or it was, and comes down again.
    if (promoted->second == from) promoted->second = here;
    if (from.is_hot()) promoted_.erase(promoted);
  }
  Place* const there = ids_->find(segment.hashes[row], from);
  if (there == nullptr) {  // replaced or forgotten meanwhile: the row stays dead
    ++report.stayed;
    return;
  }
  segment.activations[row].store(activation_at(from).load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
  segment.live.revive(row);
  *there = here;
  const Tier before = from.is_hot() ? Tier::kHot : tiers_.at(from).tier();
  leave(from, queue_.visible());
  if (from.is_hot()) moved_out_.insert(from.slot());
  ++report.moved[static_cast<std::size_t>(before)][static_cast<std::size_t>(segment.tier())];
}

}  // namespace engram::engine
