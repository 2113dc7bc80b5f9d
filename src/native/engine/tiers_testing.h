// What the tests of a store whose memories move share: a small store, and the calls that fill it and move
// what is in it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/store.h"
#include "engine/temporary_folder.h"

namespace engram::engine {

inline constexpr std::size_t kDimensions = 8;
inline constexpr double kHour = 3600;
using Point = std::array<float, kDimensions>;
using Points = std::map<std::string, Point>;

inline Options in(const TemporaryFolder& folder) {
  Options options;
  options.folder = folder.path() / "store";
  options.dim = kDimensions;
  options.metric = hnsw::Metric::kL2;
  options.threads = 2;
  options.sync = wal::Sync::kNever;
  options.half_life = kHour;
  options.moving_ram_bytes = 4096;  // a dozen memories: larger moves build in a file
  return options;
}

inline void index_all(Store& store) {
  for (;;) {
    const Queue::Batch batch = store.take(256, Seconds(0));
    if (batch.chunks.empty()) return;
    store.sync_for(batch);
    store.index(batch);
  }
}

inline std::unique_ptr<Store> open(const Options& options, FileSystem& files = FileSystem::system()) {
  auto store = std::make_unique<Store>(files, options);
  store->recover([&] { index_all(*store); });
  return store;
}

inline void put(Store& store, std::string_view id, const Point& point, double now = 0) {
  Entry entry;
  entry.id = id;
  entry.vector = reinterpret_cast<const std::byte*>(point.data());
  entry.confidence = 0.5;
  entry.created_at = now;
  std::vector<std::byte> payload;
  encode(entry, kDimensions, payload);
  store.put(std::move(payload), std::nullopt, std::nullopt);
}

inline Point random_point(std::mt19937_64& random) {
  Point point;
  for (float& x : point) x = std::uniform_real_distribution<float>(-1, 1)(random);
  return point;
}

// Moves these, as far as they are indexed.
inline MoveReport move(Store& store, const std::vector<std::string>& ids, Tier to) {
  std::vector<std::uint64_t> keys;
  for (const std::string& id : ids) keys.push_back(store.key(id).value());
  const std::vector<Tier> targets(keys.size(), to);
  return store.move(keys, targets, {.catalog_lsn = store.indexed_lsn()});
}

inline std::vector<std::string> names(int begin, int end) {
  std::vector<std::string> ids;
  for (int i = begin; i < end; ++i) ids.push_back("id" + std::to_string(i));
  return ids;
}

}  // namespace engram::engine
