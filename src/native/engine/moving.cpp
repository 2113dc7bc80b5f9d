// Moving memories between tiers: which rows go where, sealing them, and the way up into the graph.
#include "engine/moving.h"

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "base/error.h"
#include "base/heap.h"
#include "base/parallel.h"
#include "engine/cargo.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

constexpr std::size_t kPromoteSlice = 64;  // inserted under one hold of the indexer's lock

}  // namespace

// Sorts what is asked for by where it is to go.
struct Store::Request {
  std::unordered_map<std::uint64_t, Tier> wanted;  // by key, what has not been seen yet
  std::array<std::vector<Place>, kTiers> to;       // in the order in which they lie

  void see(std::uint64_t key, Place place, Tier tier, std::uint64_t below, MoveReport& report) {
    const auto found = wanted.find(key);
    if (found == wanted.end()) return;
    if (found->second == tier || key >= below) {
      ++report.stayed;
    } else {
      to[static_cast<std::size_t>(found->second)].push_back(place);
    }
    wanted.erase(found);
  }
};

Store::Request Store::sort_out(std::span<const std::uint64_t> keys, std::span<const Tier> targets,
                               const TierView& view, std::uint64_t below, MoveReport& report) const {
  Request request;
  request.wanted.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) request.wanted[keys[i]] = targets[i];
  report.stayed = keys.size() - request.wanted.size();  // named twice
  graph_->each_present([&](hnsw::Slot slot) {
    if (graph_->dead_at(slot) != hnsw::kAlive) return;
    request.see(graph_->born(slot), Place::hot(slot), Tier::kHot, below, report);
  });
  for (const auto& segment : view.segments) {
    for (tier::Row row = 0; row < segment->keys.size(); ++row) {
      if (segment->live.dead(row)) continue;
      request.see(segment->keys[row], Place::tier(segment->index, row), segment->tier(), below, report);
    }
  }
  report.unknown = request.wanted.size();
  return request;
}

void Store::check_movable() const {
  if (options_.folder) return lock_->check_place(*options_.folder);
  throw InvalidInput("a store in RAM (path=None) has no tier but the hot one: open one in a folder");
}

MoveReport Store::move(std::span<const std::uint64_t> keys, std::span<const Tier> targets,
                       const MoveOptions& how) {
  const Use use = writable();
  check_movable();
  const std::lock_guard moving(moving_mutex_);
  Pace pace(*this, how);
  MoveReport report;
  {
    // While it is held no slot is used again, nor what lies beside it.
    const hnsw::Graph::Guard pin = graph_->pin();
    const std::shared_ptr<const TierView> view = queue_.view().tiers;
    const Request request = sort_out(keys, targets, *view, how.catalog_lsn, report);
    std::vector<Arrival> arrivals = seal_all(request, *view, pace);
    if (!arrivals.empty()) exchange(arrivals, {}, report);
    promote(request.to[static_cast<std::size_t>(Tier::kHot)], *view, pace, report);
  }
  reclaim();
  give_back_freed_memory();
  report.bytes = pace.written();
  report.seconds = pace.seconds();
  return report;
}

std::vector<Arrival> Store::seal_all(const Request& request, const TierView& view, Pace& pace) {
  std::vector<Arrival> arrivals;
  try {
    for (const tier::Kind kind : {tier::Kind::kWarm, tier::Kind::kCold}) {
      const std::vector<Place>& places = request.to[static_cast<std::size_t>(tier_of(kind))];
      if (places.empty()) continue;
      Cargo cargo(*this, {++used_segment_, kind}, places.size());
      fill(cargo, places, view, pace);
      arrivals.push_back(seal(cargo, pace));
    }
  } catch (const IoError& error) {
    discard_files(arrivals);
    if (error.code != ENOSPC && error.code != EDQUOT) throw;
    throw OutOfSpace(std::string(error.what()) + "; nothing was moved: free some space");
  } catch (...) {
    discard_files(arrivals);
    throw;
  }
  return arrivals;
}

void Store::discard_files(std::span<const Arrival> arrivals) {
  for (const Arrival& arrival : arrivals) discard(files_, arrival.segment->file->path());
}

// About what a row takes in a graph: its vector, its code, its links.
std::size_t Store::graph_row_bytes() const {
  return 5 * manifest_.dim + 2 * options_.m * sizeof(hnsw::Slot) + 64;
}

void Store::fill(Cargo& cargo, std::span<const Place> places, const TierView& view, Pace& pace) const {
  for (const Place place : places) {
    if (place.is_hot()) {
      cargo.take_slot(*this, place.slot());
    } else {
      cargo.take_row(segment_of(place, view), place.row());
    }
    pace.breathe(0);
  }
  cargo.finish();
}

// Segments keep their index while memories move: that is where one takes another's.
const TierSegment& Store::segment_of(Place place, const TierView& view) {
  return **std::find_if(view.segments.begin(), view.segments.end(),
                        [place](const auto& segment) { return segment->index == place.segment(); });
}

Arrival Store::seal(const Cargo& cargo, Pace& pace) {
  const Path path = segment_path(*options_.folder, cargo.name());
  const tier::Shape shape{manifest_.dim, manifest_.metric, options_.m, options_.ef_construction,
                          options_.seed};
  tier::SealOptions how;
  how.threads = options_.threads;
  how.backing = cargo.memory();
  how.breathe = [&pace](std::uint64_t bytes) { pace.breathe(bytes); };
  tier::seal(files_, path, cargo.name().kind, shape, cargo.rows(), how);
  try {
    files_.sync_folder(*options_.folder);
    Arrival arrival;
    arrival.segment = std::make_shared<TierSegment>(cargo.name(), tier::Segment::open(files_, path, cache_),
                                                    tier::LiveRows::Begin::kDead);
    arrival.from = cargo.places_by_row(arrival.segment->keys);
    return arrival;
  } catch (...) {
    discard(files_, path);
    throw;
  }
}

void Store::promote(std::span<const Place> places, const TierView& view, Pace& pace, MoveReport& report) {
  const TierSegment* reading = nullptr;
  for (std::size_t begin = 0; begin < places.size(); begin += kPromoteSlice) {
    const std::span<const Place> slice =
        places.subspan(begin, std::min(kPromoteSlice, places.size() - begin));
    std::vector<Promotion> promotions;
    for (const Place from : slice) {
      const TierSegment& segment = segment_of(from, view);
      if (std::exchange(reading, &segment) != &segment) segment.check_anew();
      promotions.push_back(read_for_promotion(from, view));
    }
    promote(promotions, report);
    pace.breathe(0);
  }
}

Promotion Store::read_for_promotion(Place from, const TierView& view) const {
  const TierSegment& segment = segment_of(from, view);
  const tier::Row row = from.row();
  Promotion promotion{from,
                      segment.tier(),
                      segment.keys[row],
                      segment.hashes[row],
                      segment.id(row, *ids_),
                      segment.file->confidence(row),
                      std::vector<float>(manifest_.dim)};
  segment.file->copy_vector(row, promotion.vector.data());
  return promotion;
}

void Store::promote(std::span<const Promotion> promotions, MoveReport& report) {
  const std::lock_guard indexing(index_mutex_);
  std::vector<hnsw::Slot> slots(promotions.size());
  parallel_for(promotions.size(), 4, thread_count(options_.threads),
               [&](std::size_t, std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) {
                   const Promotion& each = promotions[i];
                   slots[i] = graph_->insert(each.vector.data(), each.key, hnsw::kHidden);
                   rows_.set(slots[i], each.id, each.confidence, Activation());
                 }
               });
  {
    const std::unique_lock lock(table_mutex_);
    for (std::size_t i = 0; i < promotions.size(); ++i) show_promoted(promotions[i], slots[i], report);
  }
  retire_dead();
}

// The copy in the graph from now on, the row below for the recalls of before. On disk the row stays the
// current one until a checkpoint holds the copy.
void Store::show_promoted(const Promotion& promotion, hnsw::Slot slot, MoveReport& report) {
  Place* const there = ids_->find(promotion.hash, promotion.from);
  if (there == nullptr) {  // replaced or forgotten meanwhile
    dead_.push_back(slot);
    ++report.stayed;
    return;
  }
  rows_.at(slot).activation.store(activation_at(promotion.from).load(std::memory_order_relaxed),
                                  std::memory_order_relaxed);
  graph_->set_dead_at(slot, hnsw::kAlive);
  *there = Place::hot(slot);
  leave(promotion.from, queue_.visible());
  promoted_.insert_or_assign(promotion.key, promotion.from);
  ++report.moved[static_cast<std::size_t>(promotion.tier)][static_cast<std::size_t>(Tier::kHot)];
}

}  // namespace engram::engine
