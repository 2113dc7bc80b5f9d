// Compaction: segments of which much is dead are written anew, and small ones of a tier that has too many as
// one.
#include <algorithm>

#include "base/heap.h"
#include "engine/cargo.h"
#include "engine/compaction.h"
#include "engine/store.h"

namespace engram::engine {

SystemVector<tier::Row> Store::rows_to_keep(const TierSegment& segment) const {
  SystemVector<tier::Row> rows;
  const std::lock_guard indexing(index_mutex_);
  const std::shared_lock lock(table_mutex_);
  for (tier::Row row = 0; row < segment.keys.size(); ++row) {
    const bool kept = !segment.live.dead(row) || counts_on_disk(Place::tier(segment.index, row));
    if (kept) rows.push_back(row);
  }
  return rows;
}

std::vector<SegmentSize> Store::segment_sizes(const TierView& view) const {
  std::vector<SegmentSize> sizes;
  const std::lock_guard indexing(index_mutex_);
  const std::shared_lock lock(table_mutex_);
  for (const auto& segment : view.segments) {
    const auto kept =
        static_cast<std::size_t>(std::count_if(promoted_.begin(), promoted_.end(), [&](const auto& each) {
          return each.second.segment() == segment->index && counts_on_disk(each.second);
        }));
    const std::size_t rows = segment->live.rows();
    const std::size_t dead = segment->live.dead_count();
    sizes.push_back({segment->name.number, segment->name.kind, rows, dead - std::min(dead, kept)});
  }
  return sizes;
}

CompactReport Store::compact(const MoveOptions& how) {
  const Use use = writable();
  check_movable();
  const std::lock_guard moving(moving_mutex_);
  Pace pace(*this, how);
  CompactReport report;
  for (;;) {
    const std::shared_ptr<const TierView> view = queue_.view().tiers;
    const std::vector<std::uint64_t> due = next_compaction(segment_sizes(*view));
    if (due.empty()) break;
    std::vector<std::shared_ptr<TierSegment>> leaving;
    std::copy_if(
        view->segments.begin(), view->segments.end(), std::back_inserter(leaving),
        [&](const auto& each) { return std::find(due.begin(), due.end(), each->name.number) != due.end(); });
    rewrite(leaving, pace, report);
  }
  if (report.rewritten != 0) give_back_freed_memory();
  report.bytes = pace.written();
  report.seconds = pace.seconds();
  return report;
}

void Store::rewrite(std::span<const std::shared_ptr<TierSegment>> leaving, Pace& pace,
                    CompactReport& report) {
  const SegmentName name{++used_segment_, leaving.front()->name.kind};
  std::vector<Arrival> arrivals;
  std::size_t rows = 0;
  std::size_t kept = 0;
  std::vector<SystemVector<tier::Row>> keep;
  for (const auto& segment : leaving) {
    rows += segment->live.rows();
    keep.push_back(rows_to_keep(*segment));
    kept += keep.back().size();
  }
  {
    Cargo cargo(*this, name, kept);
    for (std::size_t i = 0; i < leaving.size(); ++i) {
      for (const tier::Row row : std::exchange(keep[i], {})) {
        cargo.take_row(*leaving[i], row);
        pace.breathe(0);
      }
    }
    cargo.finish();
    if (!cargo.rows().empty()) arrivals.push_back(seal(cargo, pace));
    report.rows += cargo.rows().size();
    report.dropped += rows - cargo.rows().size();
  }
  MoveReport moved;
  exchange(arrivals, leaving, moved);
  report.rewritten += leaving.size();
  report.segments += arrivals.size();
}

}  // namespace engram::engine
