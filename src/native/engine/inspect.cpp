// What a store tells about itself: counters, where each memory lies, and whether its parts agree.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "engine/store.h"

namespace engram::engine {
namespace {

std::size_t rows_of(const TierView& view) {
  std::size_t rows = 0;
  for (const auto& segment : view.segments) rows += segment->live.live_count();
  return rows;
}

void reserve(TierTable& table, std::size_t rows) {
  table.keys.reserve(rows);
  table.tiers.reserve(rows);
  table.activations.reserve(rows);
  table.idle.reserve(rows);
  table.bytes.reserve(rows);
}

}  // namespace

std::map<std::string, Histogram::Snapshot> Store::histograms() const {
  const Use use = usable();
  std::map<std::string, Histogram::Snapshot> all = metrics_.snapshots();
  all["log_sync"] = log_->sync_times();
  return all;
}

std::map<std::string, std::map<std::string, double>> Store::stats() const {
  const Use use = usable();
  const wal::Stats log = log_->stats();
  std::map<std::string, std::map<std::string, double>> all;
  const auto count = [](auto value) { return static_cast<double>(value); };
  all["log"] = {{"records", count(log.records)},
                {"groups", count(log.groups)},
                {"bytes", count(log.bytes)},
                {"syncs", count(log.syncs)},
                {"sync_seconds", count(log.sync_nanoseconds) * 1e-9},
                {"largest_group", count(log.largest_group)},
                {"ring_bytes_used", count(log.ring_bytes_used)},
                {"failed", log_->failed() ? 1.0 : 0.0},
                {"segments", count(log.segments)},
                {"end_lsn", count(log_->end_lsn())},
                {"synced_lsn", count(log_->synced_lsn())}};
  const Load taken = room_.taken();
  const Load most = room_.most();
  all["queue"] = {{"memories", count(taken.memories)},
                  {"bytes", count(taken.bytes)},
                  {"pending", count(queue_.depth())},
                  {"uncommitted", count(uncommitted_.load().memories)},
                  {"set_aside", count(aside())},
                  {"capacity", count(options_.queue_capacity)},
                  {"capacity_bytes", count(options_.queue_bytes)},
                  {"most_memories", count(most.memories)},
                  {"most_bytes", count(most.bytes)},
                  {"pauses", count(pauses_.load())},
                  {"indexed_lsn", count(indexed_lsn())}};
  const std::shared_lock lock(table_mutex_);
  all["ids"] = {{"memories", count(ids_->size())}, {"bytes", count(ids_->memory_bytes())}};
  all["hot"] = tier_stats(Tier::kHot);
  all["hot"]["slots"] = count(graph_->size());
  all["hot"]["bytes"] = count(graph_->memory_bytes());
  all["warm"] = tier_stats(Tier::kWarm);
  all["cold"] = tier_stats(Tier::kCold);
  const tier::PageCache::Counters cache = cache_.counters();
  all["page_cache"] = {{"budget", count(cache_.budget())}, {"bytes", count(cache.bytes)},
                       {"blocks", count(cache.blocks)},    {"hits", count(cache.hits)},
                       {"misses", count(cache.misses)},    {"evictions", count(cache.evictions)}};
  return all;
}

// What a tier holds and how it was used since the store was opened.
std::map<std::string, double> Store::tier_stats(Tier tier) const {
  const auto count = [](auto value) { return static_cast<double>(value); };
  std::size_t in_tiers = 0;
  std::size_t memories = 0;
  std::size_t dead = 0;
  std::size_t segments = 0;
  std::size_t ram = 0;
  std::uint64_t disk = 0;
  for (const auto& segment : tiers_.view()->segments) {
    in_tiers += segment->live.live_count();
    if (segment->tier() != tier) continue;
    ++segments;
    memories += segment->live.live_count();
    dead += segment->live.dead_count();
    ram += segment->memory_bytes();
    disk += segment->file->disk_bytes();
  }
  if (tier == Tier::kHot) {  // the queue with it
    memories = ids_->size() - std::min(ids_->size(), in_tiers);
    dead = graph_->size() - std::min(graph_->size(), memories);
    ram = graph_->memory_bytes() + graph_->slots() * sizeof(HotRow);
  }
  const TierCounters& did = counters_[static_cast<std::size_t>(tier)];
  return {{"memories", count(memories)},
          {"dead", count(dead)},
          {"segments", count(segments)},
          {"ram_bytes", count(ram)},
          {"disk_bytes", count(disk)},
          {"recalls", count(did.recalls.load())},
          {"hits", count(did.hits.load())},
          {"truncated", count(did.truncated.load())},
          {"unnamed", count(did.unnamed.load())},
          {"pages_read", count(did.pages_read.load())},
          {"pages_hit", count(did.pages_hit.load())},
          {"p50_us", did.latencies.quantile(0.5)},
          {"p99_us", did.latencies.quantile(0.99)}};
}

TierTable Store::tier_table(double now) const {
  const Use use = usable();
  const hnsw::Graph::Guard pin = graph_->pin();
  const std::shared_ptr<const TierView> view = queue_.view().tiers;
  TierTable table;
  reserve(table, graph_->size() + rows_of(*view));
  const auto add = [&](std::uint64_t key, Tier tier, const SharedActivation& shared, std::uint32_t bytes) {
    const Activation activation = read(shared);
    table.keys.push_back(key);
    table.tiers.push_back(static_cast<std::uint8_t>(tier));
    table.activations.push_back(activation.value(now, options_.half_life));
    table.idle.push_back(static_cast<float>(activation.idle(now)));
    table.bytes.push_back(bytes);
  };
  // The same whatever room the graph has to spare: or else a plan would change with it.
  const auto hot_bytes = static_cast<std::uint32_t>(graph_->slot_bytes() + sizeof(HotRow));
  graph_->each_present([&](hnsw::Slot slot) {
    if (graph_->dead_at(slot) != hnsw::kAlive) return;
    add(graph_->born(slot), Tier::kHot, rows_.at(slot).activation, hot_bytes);
  });
  for (const auto& segment : view->segments) {
    const auto bytes = static_cast<std::uint32_t>(segment->file->disk_bytes() / segment->keys.size());
    for (tier::Row row = 0; row < segment->keys.size(); ++row) {
      if (segment->live.dead(row)) continue;
      add(segment->keys[row], segment->tier(), segment->activations[row], bytes);
    }
  }
  return table;
}

std::map<std::string, std::size_t> Store::verify() const {
  const Use use = usable();
  std::map<std::string, std::size_t> checked;
  const std::shared_ptr<const TierView> view = verify_places(checked);
  // Without the lock: a segment does not change, and the disk may take its time.
  for (const auto& segment : view->segments) segment->file->verify();
  checked["segments"] = view->segments.size();
  return checked;
}

// Every memory is found where the table says, alive and whole, and nothing else in a segment is alive.
std::shared_ptr<const TierView> Store::verify_places(std::map<std::string, std::size_t>& checked) const {
  const std::shared_lock lock(table_mutex_);
  std::size_t pending = 0;
  std::array<std::size_t, kTiers> tiers{};
  ids_->for_each([&](std::uint64_t hash, Place place) {
    if (ids_->find(hash, place) == nullptr) refuse_place(place, "cannot be found by its id");
    if (!alive_at(place)) refuse_place(place, "is not alive in its tier");
    if (place.is_tier()) {
      const TierSegment& segment = tiers_.at(place);
      if (segment.hashes[place.row()] != hash) refuse_place(place, "is not what its segment holds there");
      ++tiers[static_cast<std::size_t>(segment.tier())];
      return;
    }
    verify_vector(hash, place);
    ++(place.is_pending() ? pending : tiers[0]);
  });
  std::size_t alive = 0;
  for (const auto& segment : tiers_.view()->segments) alive += segment->live.live_count();
  if (alive != tiers[1] + tiers[2]) {
    throw CorruptionError(name(), 0,
                          "the segments of " + name() + " show " + std::to_string(alive) +
                              " memories, the table of ids " + std::to_string(tiers[1] + tiers[2]) +
                              ": close the store and open it again");
  }
  checked = {{"memories", ids_->size()},
             {"pending", pending},
             {"hot", tiers[0]},
             {"warm", tiers[1]},
             {"cold", tiers[2]}};
  return tiers_.view();
}

void Store::verify_vector(std::uint64_t hash, Place place) const {
  if (ids_->hash(id_at(place)) != hash) refuse_place(place, "has another id than the table says");
  std::vector<float> vector(manifest_.dim);
  if (!place.is_pending()) graph_->copy_vector(place.slot(), vector.data());
  const float* stored = place.is_pending() ? place.memory()->vector : vector.data();
  if (!std::isfinite(simd::active().dot(stored, stored, manifest_.dim))) refuse_place(place, "is not whole");
}

std::string Store::name() const {
  return options_.folder ? options_.folder->string() : "the store in RAM";
}

void Store::refuse_place(Place place, const char* what) const {
  throw CorruptionError(name(), 0,
                        "the memory \"" + id_at(place) + "\" of " + name() + " " + what +
                            ": close the store and open it again");
}

}  // namespace engram::engine
