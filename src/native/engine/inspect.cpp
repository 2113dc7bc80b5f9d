// What a store tells about itself: counters, and whether its parts agree.
#include <cmath>

#include "base/error.h"
#include "engine/store.h"

namespace engram::engine {

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
                  {"indexed_lsn", count(indexed_lsn())}};
  all["hot"] = {{"slots", count(graph_->size())}, {"bytes", count(graph_->memory_bytes())}};
  const std::shared_lock lock(table_mutex_);
  all["ids"] = {{"memories", count(ids_->size())}, {"bytes", count(ids_->memory_bytes())}};
  return all;
}

std::map<std::string, std::size_t> Store::verify() const {
  const Use use = usable();
  const std::shared_lock lock(table_mutex_);
  std::size_t pending = 0;
  std::size_t hot = 0;
  std::vector<float> vector(manifest_.dim);
  const auto at = [this](Place place) { return id_at(place); };
  ids_->for_each([&](Place place) {
    const std::string id(id_at(place));
    const Place* found = ids_->find(id, at);
    const std::string where = options_.folder ? options_.folder->string() : "the store in RAM";
    if (found == nullptr || *found != place) {
      throw CorruptionError(where, 0,
                            "the table of ids of " + where + " has lost its way to \"" + id +
                                "\": close the store and open it again");
    }
    const bool alive = place.is_pending()
                           ? place.memory()->dead_at.load(std::memory_order_acquire) == hnsw::kAlive
                           : graph_->dead_at(place.slot()) == hnsw::kAlive;
    if (!place.is_pending()) graph_->copy_vector(place.slot(), vector.data());
    const float* stored = place.is_pending() ? place.memory()->vector : vector.data();
    if (!alive || !std::isfinite(simd::active().dot(stored, stored, manifest_.dim))) {
      throw CorruptionError(where, 0,
                            "the memory \"" + id + "\" of " + where +
                                " is not whole in its tier: close the store and open it again");
    }
    ++(place.is_pending() ? pending : hot);
  });
  return {{"memories", ids_->size()}, {"pending", pending}, {"hot", hot}};
}

}  // namespace engram::engine
