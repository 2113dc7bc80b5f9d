// A warm segment: a graph over 8-bit codes in a mapped file, walked where it lies by the walk of the graph in
// RAM.
//
// Rows are numbered for it: those of the highest level first, each level in the order in which a walk from
// the entry comes by. So neighbours share pages, the entry is row 0, and a row's links above level 0 are
// found without a table.
//
// Thread-safety and invariants: segment.h.
#pragma once

#include <memory>

#include "hnsw/scratch.h"
#include "tier/columns.h"

namespace engram::tier {

class WarmSegment final : public ColumnSegment {
 public:
  explicit WarmSegment(std::unique_ptr<Pages> pages);

  Found search(const Query& query, const LiveTest& counts, Hit* out) const override;
  std::size_t memory_bytes() const override;
  void verify() const override;

 private:
  mutable hnsw::Scratches scratches_;
};

}  // namespace engram::tier
