// The HNSW graph (Malkov & Yashunin, arXiv 1603.09320): vectors in slots, walked on compact codes, re-ranked
// on the full vectors.
//
// Thread-safety: insert(), retire(), search() and the accessors from any thread at once; no lock is held
// around a search. save(), load() and the constructor from one thread, with no insert or retire meanwhile.
//
// Invariants:
//  (1) A slot that a reader can reach never changes its vector, code or label.
//  (2) A slot's code and vector are written before any link to it is published (release / acquire on links).
//  (3) A search as of `snapshot` returns a slot if and only if born <= snapshot < dead_at (see Life).
//  (4) With one thread and one seed, the same inserts give the same graph, bit for bit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"
#include "hnsw/metric.h"

namespace engram::hnsw {

using Slot = std::uint32_t;  // 32 bits: 64-bit links would double the walk's traffic for nothing
inline constexpr Slot kNoSlot = 0xFFFFFFFFu;

// When a slot counts as found. A slot is inserted hidden (dead_at = 0) or alive; whoever owns the graph moves
// dead_at: kAlive, or the snapshot from which on it no longer counts.
inline constexpr std::uint64_t kHidden = 0;
inline constexpr std::uint64_t kAlive = ~std::uint64_t{0};
inline constexpr std::uint64_t kNow = kAlive - 1;  // the snapshot that sees every slot that is alive

enum class Scalar : std::uint8_t { kF32, kBf16, kF16 };  // how the full vectors are kept

struct Options {
  std::size_t dim = 0;
  Metric metric = Metric::kL2;
  std::size_t m = 16;  // links a node on the upper levels; twice as many on level 0
  std::size_t ef_construction = 200;
  std::uint64_t seed = 0x9E3779B97F4A7C15u;
  Scalar scalar = Scalar::kF32;
};

struct Hit {
  float distance;
  Slot slot;
};

class Graph {
 public:
  explicit Graph(const Options& options);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  const Options& options() const;
  std::size_t size() const;         // slots that are not retired
  std::size_t memory_bytes() const;

  // Adds one vector; returns its slot, already linked. `born` is the label; snapshots below it do not see it.
  // Errors: InvalidInput when 2^32 - 1 slots are used up. The vector has been checked (finite, length).
  Slot insert(const float* vector, std::uint64_t born, std::uint64_t dead_at = kAlive);

  void set_dead_at(Slot slot, std::uint64_t dead_at);
  std::uint64_t dead_at(Slot slot) const;
  std::uint64_t born(Slot slot) const;

  // Takes a slot out for good: it is dead to every search that begins from now on, its neighbours are mended
  // and it is used again once no search that could see it is left.
  void retire(Slot slot);

  // The vector as it was stored (converted from bf16 / f16 when kept so), `dim` floats.
  void copy_vector(Slot slot, float* out) const;

  // The k nearest slots that count at `snapshot` and pass `keep` (null: all), nearest first; returns how many.
  // ef: breadth of the walk in candidates, raised to k. Takes no allocation in the steady state.
  using Keep = std::function<bool(Slot)>;
  std::size_t search(const float* query, std::size_t k, std::size_t ef, std::uint64_t snapshot,
                     const Keep* keep, Hit* out) const;

  // While one of these lives, no slot that a search could see when it was made is used again.
  class Guard;
  Guard pin() const;

  void save(File& file) const;
  static std::unique_ptr<Graph> load(const File& file, const Path& path_for_errors);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engram::hnsw
