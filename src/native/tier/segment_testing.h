// What the tests of segments share: rows to seal, and a scan of all of them as the judge.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/fault_file.h"
#include "simd/kernels.h"
#include "tier/segment.h"

namespace engram::tier {

// Memories whose vectors lie about some centres, in the order in which they would be sealed.
class Memories {
 public:
  Memories(std::size_t count, std::size_t dim, std::uint64_t seed, hnsw::Metric metric = hnsw::Metric::kL2)
      : dim_(dim), metric_(metric), values_(count * dim) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    const std::size_t centres = std::max<std::size_t>(count / 50, 1);
    std::vector<float> about(centres * dim);
    for (float& x : about) x = normal(random);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t centre = random() % centres;
      for (std::size_t d = 0; d < dim; ++d)
        values_[i * dim + d] = about[centre * dim + d] + 0.6F * normal(random);
      ids_.push_back("memory-" + std::to_string(i));
    }
    for (std::size_t i = 0; i < count; ++i) {
      rows_.push_back({.key = 8 * (i + 1),
                       .hash = random(),
                       .id = ids_[i],
                       .confidence = 1.0 / static_cast<double>(1 + i % 7),
                       .vector = vector(i)});
    }
  }
  Memories(const Memories&) = delete;
  Memories& operator=(const Memories&) = delete;

  std::size_t dim() const { return dim_; }
  std::size_t size() const { return rows_.size(); }
  float* vector(std::size_t i) { return values_.data() + i * dim_; }
  std::span<RowIn> rows() { return rows_; }
  const RowIn& row(std::size_t i) const { return rows_[i]; }
  // The memory with this key.
  const RowIn& of_key(std::uint64_t key) const { return rows_[key / 8 - 1]; }
  Shape shape() const { return {.dim = dim_, .metric = metric_, .m = 8, .ef_construction = 60, .seed = 7}; }

  float distance(const float* cue, const float* to) const {
    const simd::Kernels& kernels = simd::active();
    if (metric_ == hnsw::Metric::kL2) return kernels.l2(cue, to, dim_);
    if (metric_ == hnsw::Metric::kCosine) return kernels.cosine(cue, to, dim_);
    return 1.0F - kernels.dot(cue, to, dim_);
  }
  // The distances of the k nearest memories that `counts` holds for, ascending.
  template <class Counts>
  std::vector<float> nearest(const float* cue, std::size_t k, const Counts& counts) const {
    std::vector<float> all;
    for (const RowIn& row : rows_) {
      if (counts(row.key)) all.push_back(distance(cue, row.vector));
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min(k, all.size()));
    return all;
  }

 private:
  std::size_t dim_;
  hnsw::Metric metric_;
  std::vector<float> values_;
  std::vector<std::string> ids_;
  std::vector<RowIn> rows_;
};

inline const Path kSegment = "/segment";

inline void seal_at(FileSystem& files, Kind kind, Memories& memories, std::size_t threads = 1) {
  seal(files, kSegment, kind, memories.shape(), memories.rows(), {.threads = threads, .breathe = {}});
}

// A segment of its own file system and cache.
struct Sealed {
  Sealed(Kind kind, Memories& memories, std::size_t threads = 2, std::size_t cache_bytes = 1 << 20)
      : cache(cache_bytes) {
    seal_at(files, kind, memories, threads);
    segment = Segment::open(files, kSegment, cache);
  }
  FaultFileSystem files;
  PageCache cache;
  std::unique_ptr<Segment> segment;
};

inline std::vector<Hit> search(const Segment& segment, const Query& query, const LiveRows& live,
                               std::uint64_t snapshot = 0, Found* found = nullptr) {
  std::vector<Hit> hits(query.k);
  const Found result = segment.search(query, {live, snapshot}, hits.data());
  hits.resize(result.count);
  if (found != nullptr) *found = result;
  return hits;
}

}  // namespace engram::tier
