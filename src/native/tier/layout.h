// How rows are arranged in a segment that is being written: their order, and the sections that only its kind
// has. seal.cpp writes the columns that both kinds have.
//
// Thread-safety: none needed; one seal at a time owns one.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tier/format.h"
#include "tier/page_writer.h"
#include "tier/types.h"

namespace engram::tier {

class Layout {
 public:
  virtual ~Layout() = default;
  // By row: which of the rows to be sealed it is.
  virtual std::span<const std::uint32_t> order() const = 0;
  // Puts into the header what belongs to the kind.
  virtual void describe(format::Header& header) const = 0;
  // Puts the sections from kRecords to kLists.
  virtual void write(PageWriter& writer) const = 0;
};

// `options.breathe` is called from the calling thread only. The rows stay valid while the layout lives.
std::unique_ptr<Layout> lay_out_warm(const Shape& shape, std::span<const RowIn> rows,
                                     const SealOptions& options);
std::unique_ptr<Layout> lay_out_cold(const Shape& shape, std::span<const RowIn> rows,
                                     const SealOptions& options);

}  // namespace engram::tier
