#include "tier/warm.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "hnsw/searcher.h"
#include "simd/kernels.h"
#include "tier/deadline.h"

namespace engram::tier {
namespace {

using format::Section;
using hnsw::Slot;

// Pages of records checked at once: neighbours lie near each other.
constexpr std::size_t kTogether = 16;
// Of the records, as much is asked of the disk when a segment is opened.
constexpr std::uint64_t kReadAhead = std::uint64_t{256} << 20;

// The nodes in the file, for one search. A code is checked, with its level-0 links, before anything points to
// it; a number read from the file is held against the number of rows first.
class MappedNodes {
 public:
  MappedNodes(const Pages& pages, std::size_t& read)
      : pages_(pages),
        read_(read),
        rows_(pages.header().rows),
        m_(pages.header().shape.m),
        stride_(format::record_bytes(pages.header().shape)),
        code_bytes_(format::code_bytes(pages.header().shape.dim)),
        links_at_(format::links_at(pages.header().shape.dim)),
        vector_bytes_(pages.header().shape.dim * sizeof(float)),
        records_(pages.header().section(Section::kRecords).offset),
        upper_(pages.header().section(Section::kUpper).offset),
        vectors_(pages.header().section(Section::kVectors).offset) {}

  const std::byte* code(Slot slot) const {
    if (slot >= rows_)
      pages_.corrupt(records_,
                     "a link leads to row " + std::to_string(slot) + " of " + std::to_string(rows_));
    const std::uint64_t at = records_ + slot * stride_;
    read_ += pages_.need(at, stride_, kTogether);
    return pages_.at(at);
  }
  std::size_t code_bytes() const { return code_bytes_; }

  // Of a slot whose code() was asked for.
  std::span<const Slot> links(Slot slot, std::size_t level) const {
    if (level != 0) return upper(slot, level);
    return {reinterpret_cast<const Slot*>(pages_.at(records_ + slot * stride_ + links_at_)), 2 * m_};
  }

  const std::byte* vector(Slot slot) const { return pages_.at(vectors_ + slot * vector_bytes_); }
  const float* floats(Slot slot, float* /*buffer*/) const {
    read_ += pages_.need(vectors_ + slot * vector_bytes_, vector_bytes_);
    return reinterpret_cast<const float*>(vector(slot));
  }
  std::uint64_t born(Slot slot) const { return slot; }

 private:
  std::span<const Slot> upper(Slot slot, std::size_t level) const {
    const auto& on_level = pages_.header().level_rows;
    std::uint64_t list = slot;
    for (std::size_t l = 1; l < level; ++l) list += on_level[l - 1];
    const std::uint64_t bytes = m_ * sizeof(Slot);
    const std::uint64_t at = upper_ + list * bytes;
    if (slot >= on_level[level - 1]) pages_.corrupt(upper_, "a link leads to a row that is not on its level");
    read_ += pages_.need(at, bytes);
    return {reinterpret_cast<const Slot*>(pages_.at(at)), m_};
  }

  const Pages& pages_;
  std::size_t& read_;
  const std::size_t rows_;
  const std::size_t m_;
  const std::uint64_t stride_;
  const std::size_t code_bytes_;
  const std::size_t links_at_;
  const std::uint64_t vector_bytes_;
  const std::uint64_t records_;
  const std::uint64_t upper_;
  const std::uint64_t vectors_;
};

// The graph in the file, as hnsw::Search wants it.
struct MappedGraph {
  MappedGraph(const Pages& pages, std::size_t live_rows, std::size_t& read)
      : options{.dim = pages.header().shape.dim, .metric = pages.header().shape.metric},
        kernels(simd::active()),
        nodes(pages, read),
        header(pages.header()),
        live(live_rows) {}

  std::size_t alive_now() const { return live; }
  hnsw::Entry entry_now() const {
    const auto& on_level = header.level_rows;
    const auto top = std::find(on_level.begin(), on_level.end(), 0U);
    return {.slot = 0, .level = static_cast<std::size_t>(top - on_level.begin())};
  }
  hnsw::Coding coding_of(const float* vector) const {
    return hnsw::coding_of(vector, options.dim, options.metric, header.shift);
  }
  hnsw::FieldOf<MappedNodes> field(const simd::CodeQuery& query) const {
    return {.nodes = nodes, .kernels = kernels, .query = query, .dim = options.dim, .level = 0};
  }
  static constexpr bool sketches_serve() { return false; }
  template <class See>
  void each_present(const See& see) const {
    for (std::size_t row = 0; row < header.rows; ++row) see(static_cast<Slot>(row));
  }

  struct {
    std::size_t dim;
    hnsw::Metric metric;
  } options;
  const simd::Kernels& kernels;
  MappedNodes nodes;
  const format::Header& header;
  std::size_t live;
};

// After a wait for the disk the clock is asked at once.
struct Until {
  Deadline& deadline;
  const std::size_t& read;
  std::size_t seen = 0;
  bool due() { return std::exchange(seen, read) == read ? deadline.due() : deadline.due_now(); }
};

}  // namespace

WarmSegment::WarmSegment(std::unique_ptr<Pages> pages)
    : ColumnSegment(std::move(pages)), scratches_(dim(), 2 * shape().m) {
  // What every walk goes over; where memory is short the kernel drops it again.
  const format::Extent& records = section(Section::kRecords);
  this->pages().file().advise(records.offset, std::min(records.bytes, kReadAhead), Advice::kWillNeed);
}

Found WarmSegment::search(const Query& query, const LiveTest& counts, Hit* out) const {
  Found found;
  const std::size_t k = std::min(query.k, rows());
  if (k == 0) return found;
  const hnsw::Scratches::Lease scratch = scratches_.lend();
  const std::size_t live = counts.rows.live_count();
  const MappedGraph graph(pages(), live, found.pages_read);
  Deadline deadline(query.deadline);
  std::vector<hnsw::Hit> hits(k);
  const auto search_where = [&](const auto& count, double share) {
    return hnsw::Search(graph, *scratch, query.cue, k, query.ef, rows(), count, share,
                        Until{deadline, found.pages_read})
        .run(counts, hits.data());
  };
  if (live == rows()) found.count = search_where(hnsw::Everything{}, 1);
  if (found.count < k && !deadline.passed()) {
    found.count = search_where(counts, static_cast<double>(live) / static_cast<double>(rows()));
  }
  for (std::size_t i = 0; i < found.count; ++i) out[i] = {hits[i].distance, hits[i].slot};
  found.truncated = deadline.passed();
  return found;
}

std::size_t WarmSegment::memory_bytes() const {
  return sizeof *this + pages().memory_bytes();
}

void WarmSegment::verify() const {
  verify_columns();
  std::size_t read = 0;
  const MappedNodes nodes(pages(), read);
  const auto& on_level = pages().header().level_rows;
  for (std::size_t level = 0; level <= format::kMostLevels; ++level) {
    const std::size_t there = level == 0 ? rows() : on_level[level - 1];
    for (std::size_t row = 0; row < there; ++row) {
      nodes.code(static_cast<Slot>(row));
      for (const Slot link : nodes.links(static_cast<Slot>(row), level)) {
        if (link == hnsw::kNoSlot) break;
        if (link >= there)
          pages().corrupt(section(Section::kRecords).offset,
                          "a link leads to a row that is not on its level");
      }
    }
    if (there == 0) break;
  }
}

}  // namespace engram::tier
