// Laying out a cold segment: rows are clustered into lists, and coded.

#include <algorithm>
#include <memory>
#include <utility>

#include "hnsw/code.h"
#include "tier/clusters.h"
#include "tier/layout.h"

namespace engram::tier {
namespace {

using format::Section;

// A list is one read of the disk. Longer vectors have longer ones, or the centroids in RAM would be too many.
constexpr std::size_t kListBytes = std::size_t{32} << 10;
constexpr std::size_t kFewestRows = 96;

std::size_t longest_list(std::size_t dim) {
  return std::max(kListBytes / format::code_bytes(dim), kFewestRows);
}

class ColdLayout final : public Layout {
 public:
  ColdLayout(const Shape& shape, std::span<const RowIn> rows, const SealOptions& options)
      : shape_(shape), rows_(rows), clusters_(cluster(rows, shape, longest_list(shape.dim), options)) {
    double sum = 0;
    for (const float value : clusters_.centroids) sum += static_cast<double>(value);
    if (shape.metric == hnsw::Metric::kL2)
      shift_ = static_cast<float>(sum / static_cast<double>(clusters_.centroids.size()));
  }

  std::span<const std::uint32_t> order() const override { return clusters_.order; }

  void describe(format::Header& header) const override {
    header.lists = clusters_.ends.size();
    header.shift = shift_;
  }

  void write(PageWriter& writer) const override {
    writer.begin(Section::kRecords);
    writer.begin(Section::kUpper);
    writer.begin(Section::kCentroids);
    for (std::size_t i = 0; i < clusters_.ends.size(); ++i) {
      put_code(writer, clusters_.centroids.data() + i * shape_.dim, {.factor = 1.0F, .shift = shift_});
    }
    writer.begin(Section::kListEnds);
    writer.put(std::as_bytes(std::span(clusters_.ends)));
    writer.begin(Section::kLists);
    std::size_t at = 0;
    for (const std::uint32_t end : clusters_.ends) {
      for (; at < end; ++at) {
        const float* const vector = rows_[clusters_.order[at]].vector;
        put_code(writer, vector, hnsw::coding_of(vector, shape_.dim, shape_.metric, shift_));
      }
      writer.pad_to_page();
    }
  }

 private:
  void put_code(PageWriter& writer, const float* vector, hnsw::Coding coding) const {
    code_.resize(format::code_bytes(shape_.dim));
    hnsw::encode(vector, shape_.dim, coding, code_.data());
    writer.put(code_);
  }

  const Shape shape_;
  const std::span<const RowIn> rows_;
  const Clusters clusters_;
  float shift_ = 0;
  mutable std::vector<std::byte> code_;
};

}  // namespace

std::unique_ptr<Layout> lay_out_cold(const Shape& shape, std::span<const RowIn> rows,
                                     const SealOptions& options) {
  return std::make_unique<ColdLayout>(shape, rows, options);
}

}  // namespace engram::tier
