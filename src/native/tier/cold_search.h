// One search of a cold segment, its parts in the order they run.
//
// Thread-safety: owned by one search; the directory is only read.
//
// Invariants: every hit was ranked on its full vector, and counted when its code was scored and at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hnsw/code_error.h"
#include "simd/kernels.h"
#include "tier/deadline.h"
#include "tier/extents.h"
#include "tier/live_rows.h"
#include "tier/segment.h"

namespace engram::tier {

// What is in RAM of the lists.
struct ListDirectory {
  std::vector<std::byte> centroids;        // a code a list
  std::vector<Row> ends;                   // the first row that is not in the list any more
  std::vector<std::uint32_t> first_pages;  // of the section of lists

  std::size_t memory_bytes() const {
    return centroids.capacity() + (ends.capacity() + first_pages.capacity()) * sizeof(std::uint32_t);
  }
};

class ColdSearch {
 public:
  ColdSearch(const Pages& pages, PageCache& cache, PageCache::Owner owner, const ListDirectory& directory,
             const Query& query, const LiveTest& counts);

  Found run(Hit* out);

 private:
  struct Candidate {
    float code;  // distance by code
    float low;   // what the code's error leaves of the distance
    float high;
    Row row;
  };

  void order_lists();
  format::Extent extent_of(std::uint32_t list) const;
  void scan_lists(std::size_t begin, std::size_t end);
  void scan(std::uint32_t list, Bytes codes);
  void admit(std::span<const Row> rows, std::span<const std::byte* const> codes);
  float limit();
  void keep_best();
  Candidate candidate(float code, const std::byte* at, Row row) const;
  void rank_candidates();
  void rank(std::span<const Candidate> candidates);
  float distance_to(const float* vector) const;
  std::size_t select(Hit* out);

  const format::Header& header_;
  const ListDirectory& directory_;
  const LiveTest& counts_;
  const simd::Kernels& kernels_;
  const float* cue_;
  const std::size_t dim_;
  const std::size_t k_;
  const std::size_t wanted_lists_;
  std::size_t room_;  // candidates after which those without a chance are sorted out
  Deadline deadline_;
  Extents extents_;

  std::vector<std::int8_t> values_;  // of the query's code
  simd::CodeQuery query_{};
  double query_step2_ = 0;  // the square of the step of the query's code
  double query_norm2_ = 0;

  std::vector<std::uint32_t> lists_;  // those to be read first come first, nearest first
  float bound_;                       // what a code's distance must be below to be kept
  std::vector<Candidate> candidates_;
  std::vector<Hit> ranked_;
  hnsw::CodeError error_;
  std::vector<float> highs_;
  std::vector<float> distances_;
  std::vector<std::uint32_t> chosen_;
};

}  // namespace engram::tier
