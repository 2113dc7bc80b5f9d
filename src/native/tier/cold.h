// A cold segment: inverted lists of 8-bit codes on the disk, their centroids in RAM, the full vectors in the
// same order.
//
// A search reads the lists whose centroids are nearest to the cue, many at once, scores their codes, and
// reads the full vectors of those that the codes' error leaves among the k nearest, again many at once.
//
// Thread-safety and invariants: segment.h.
#pragma once

#include <memory>

#include "tier/cold_search.h"
#include "tier/columns.h"
#include "tier/page_cache.h"

namespace engram::tier {

class ColdSegment final : public ColumnSegment {
 public:
  ColdSegment(std::unique_ptr<Pages> pages, PageCache& cache);
  ~ColdSegment() override;

  Found search(const Query& query, const LiveTest& counts, Hit* out) const override;
  std::size_t memory_bytes() const override;
  void verify() const override;

 private:
  void read_ends();

  PageCache& cache_;
  const PageCache::Owner owner_;
  ListDirectory directory_;
};

}  // namespace engram::tier
