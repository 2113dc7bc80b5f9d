// Laying out a warm segment: a graph is built in RAM, then its rows are renumbered for locality.

#include <algorithm>
#include <memory>
#include <utility>

#include "base/parallel.h"
#include "hnsw/graph.h"
#include "tier/layout.h"

namespace engram::tier {
namespace {

using format::Section;
using hnsw::Slot;

constexpr std::size_t kBlock = 256;  // rows a thread takes at once

std::unique_ptr<hnsw::Graph> build(const Shape& shape, std::span<const RowIn> rows,
                                   const SealOptions& options) {
  const hnsw::Options graph_options{.dim = shape.dim,
                                    .metric = shape.metric,
                                    .m = shape.m,
                                    .ef_construction = shape.ef_construction,
                                    .seed = shape.seed};
  auto graph = std::make_unique<hnsw::Graph>(graph_options, options.backing);
  // The label is the row's place in `rows`: slots are given out in the order in which threads come by.
  parallel_for(rows.size(), kBlock, thread_count(options.threads),
               [&](std::size_t worker, std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) graph->insert(rows[i].vector, i);
                 if (worker == 0 && options.breathe) options.breathe(0);
               });
  return graph;
}

// All slots in the order in which a walk without an aim comes by them.
std::vector<Slot> breadth_first(const hnsw::Graph& graph) {
  std::vector<Slot> order;
  order.reserve(graph.slots());
  std::vector<bool> seen(graph.slots());
  const auto visit = [&](Slot slot) {
    if (seen[slot]) return;
    seen[slot] = true;
    order.push_back(slot);
  };
  visit(graph.entry());
  Slot unreached = 0;
  for (std::size_t at = 0; order.size() < graph.slots(); ++at) {
    while (at == order.size()) visit(unreached++);
    for (const Slot neighbour : graph.links(order[at], 0)) {
      if (neighbour == hnsw::kNoSlot) break;
      visit(neighbour);
    }
  }
  return order;
}

class WarmLayout final : public Layout {
 public:
  WarmLayout(const Shape& shape, std::span<const RowIn> rows, const SealOptions& options)
      : shape_(shape), graph_(build(shape, rows, options)), slots_(breadth_first(*graph_)) {
    std::stable_sort(slots_.begin(), slots_.end(),
                     [&](Slot a, Slot b) { return graph_->level(a) > graph_->level(b); });
    rows_.resize(slots_.size());
    for (std::size_t row = 0; row < slots_.size(); ++row) {
      rows_[slots_[row]] = static_cast<Row>(row);
      order_.push_back(static_cast<std::uint32_t>(graph_->born(slots_[row])));
    }
  }

  std::span<const std::uint32_t> order() const override { return order_; }

  void describe(format::Header& header) const override {
    header.shift = graph_->shift();
    for (const Slot slot : slots_) {
      for (std::size_t level = 0; level < graph_->level(slot); ++level) ++header.level_rows[level];
    }
  }

  void write(PageWriter& writer) const override {
    const std::size_t padding =
        format::record_bytes(shape_) - format::links_at(shape_.dim) - 2 * shape_.m * sizeof(Slot);
    const std::vector<std::byte> zeros(16);
    writer.begin(Section::kRecords);
    for (const Slot slot : slots_) {
      writer.put(graph_->code(slot));
      writer.put(Bytes(zeros).first(format::links_at(shape_.dim) - format::code_bytes(shape_.dim)));
      put_links(writer, slot, 0);
      writer.put(Bytes(zeros).first(padding));
    }
    writer.begin(Section::kUpper);
    for (std::size_t level = 1; level <= graph_->level(slots_.front()); ++level) {
      for (const Slot slot : slots_) {
        if (graph_->level(slot) < level) break;
        put_links(writer, slot, level);
      }
    }
    for (const Section none : {Section::kCentroids, Section::kListEnds, Section::kLists}) writer.begin(none);
  }

 private:
  void put_links(PageWriter& writer, Slot slot, std::size_t level) const {
    bool ended = false;
    for (const Slot link : graph_->links(slot, level)) {
      ended = ended || link == hnsw::kNoSlot;
      writer.put_value(ended ? hnsw::kNoSlot : rows_[link]);
    }
  }

  const Shape shape_;
  const std::unique_ptr<hnsw::Graph> graph_;
  std::vector<Slot> slots_;           // by row
  std::vector<Row> rows_;             // by slot
  std::vector<std::uint32_t> order_;  // by row
};

}  // namespace

std::unique_ptr<Layout> lay_out_warm(const Shape& shape, std::span<const RowIn> rows,
                                     const SealOptions& options) {
  return std::make_unique<WarmLayout>(shape, rows, options);
}

}  // namespace engram::tier
