// What the tests of a whole store share: stores over a fault file system (base/fault_file.h), a life of many
// operations, and a model of what each prefix of it leaves.
#pragma once

#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault_file.h"
#include "engine/store.h"

namespace engram::engine {

inline constexpr std::size_t kDim = 4;
inline constexpr int kOperations = 40;
using Vector = std::array<float, kDim>;
using Model = std::map<std::string, Vector>;

inline Options options(wal::Sync sync) {
  Options options;
  options.folder = "/data/store";
  options.dim = kDim;
  options.metric = hnsw::Metric::kL2;
  options.threads = 1;
  options.sync = sync;
  options.interval = std::chrono::milliseconds(1'000'000);  // no timer: the same calls in every run
  return options;
}

inline void drain(Store& store) {
  for (;;) {
    const Queue::Batch batch = store.take(8, Seconds(0));
    if (batch.chunks.empty()) return;
    store.sync_for(batch);
    store.index(batch);
    store.committed(store.uncommitted());
  }
}

inline std::unique_ptr<Store> open(FileSystem& files, wal::Sync sync) {
  auto store = std::make_unique<Store>(files, options(sync));
  store->recover([&] { drain(*store); });
  return store;
}

// One operation of the scenario: what it does to a store, and to a model.
struct Operation {
  enum class Kind { kPut, kBatch, kForget, kIndex, kCheckpoint, kMove, kCompact } kind;
  std::vector<std::string> ids;
  std::vector<Vector> vectors;
  std::vector<Tier> targets{};  // of a move

  void apply(Model& model) const {
    for (std::size_t i = 0; i < vectors.size(); ++i) model[ids[i]] = vectors[i];
    if (kind == Kind::kForget) model.erase(ids[0]);
  }

  void apply(Store& store) const {
    if (kind == Kind::kIndex) return drain(store);
    if (kind == Kind::kForget) return void(store.forget(ids[0], std::nullopt));
    if (kind == Kind::kCheckpoint) {
      drain(store);
      store.checkpoint();
      return;
    }
    if (kind == Kind::kMove) return move(store);
    if (kind == Kind::kCompact) return void(store.compact({}));
    std::vector<std::byte> payload;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Entry entry;
      entry.id = ids[i];
      entry.vector = reinterpret_cast<const std::byte*>(vectors[i].data());
      encode(entry, kDim, payload);
    }
    store.put(std::move(payload), std::nullopt, std::nullopt);
  }

 private:
  void move(Store& store) const {
    drain(store);
    std::vector<std::uint64_t> keys;
    std::vector<Tier> tiers;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (const std::optional<std::uint64_t> key = store.key(ids[i])) {
        keys.push_back(*key);
        tiers.push_back(targets[i]);
      }
    }
    store.move(keys, tiers, {.catalog_lsn = store.indexed_lsn()});
  }
};

inline std::vector<Operation> scenario(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Operation> operations;
  for (int n = 0; n < kOperations; ++n) {
    const auto dice = random() % 14;
    Operation operation{dice < 5    ? Operation::Kind::kPut
                        : dice < 7  ? Operation::Kind::kBatch
                        : dice < 8  ? Operation::Kind::kForget
                        : dice < 9  ? Operation::Kind::kIndex
                        : dice < 10 ? Operation::Kind::kCheckpoint
                        : dice < 13 ? Operation::Kind::kMove
                                    : Operation::Kind::kCompact,
                        {},
                        {}};
    const bool stores = operation.kind == Operation::Kind::kPut || operation.kind == Operation::Kind::kBatch;
    const bool moves = operation.kind == Operation::Kind::kMove;
    const std::size_t count = moves ? 6 : operation.kind == Operation::Kind::kBatch ? 3 : 1;
    for (std::size_t i = 0; i < count; ++i) {
      operation.ids.push_back("id" + std::to_string(random() % 12));
      if (stores) operation.vectors.push_back({static_cast<float>(n), static_cast<float>(i), 1, 2});
      if (moves) operation.targets.push_back(static_cast<Tier>(random() % kTiers));
    }
    operations.push_back(std::move(operation));
  }
  return operations;
}

// Runs the scenario; how many operations returned before one threw (all of them when none did).
inline std::size_t run(FileSystem& files, const std::vector<Operation>& operations, wal::Sync sync) {
  std::size_t returned = 0;
  try {
    const std::unique_ptr<Store> store = open(files, sync);
    for (const Operation& operation : operations) {
      operation.apply(*store);
      ++returned;
    }
  } catch (const Killed&) {
  } catch (const Error&) {
  }
  return returned;
}

inline bool holds(const Store& store, const Model& model) {
  if (store.size() != model.size()) return false;
  const Vector cue{};
  if (store.recall(cue.data(), {.k = model.size() + 5}).hits.size() != model.size()) return false;
  for (const auto& [id, vector] : model) {
    const std::optional<Version> version = store.get(id, 0);
    if (!version || std::memcmp(version->vector.data(), vector.data(), sizeof vector) != 0) return false;
  }
  return true;
}

// The longest prefix of the operations whose state `store` holds.
inline std::optional<std::size_t> prefix_of(const Store& store, const std::vector<Operation>& operations) {
  Model model;
  std::optional<std::size_t> found;
  for (std::size_t n = 0; n <= operations.size(); ++n) {
    if (holds(store, model)) found = n;
    if (n < operations.size()) operations[n].apply(model);
  }
  return found;
}

}  // namespace engram::engine
