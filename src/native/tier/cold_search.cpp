#include "tier/cold_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/bytes.h"
#include "hnsw/code.h"

namespace engram::tier {
namespace {

using format::kPage;
using format::Section;
using hnsw::Metric;

// Lists asked of the disk at once; the next so many are on their way while these are scored.
constexpr std::size_t kWave = 32;
constexpr std::size_t kBatch = 256;  // codes scored by one call
// How many standard deviations a code's error is taken to stay within. What it proves to be beyond that is
// seen while ranking (hnsw::CodeError).
constexpr double kDeviations = 3;
// Of a step s, evenly spread over it: its variance is s^2 / 12.
constexpr double kVariance = 1.0 / 12;

// How many lists are read for each of ef where there are kLists of them, and how many rows they hold together
// at least in a segment of kRows. For the same recall the share of a segment that is read shrinks as it
// grows: by this power. Measured: docs/performance.md.
constexpr double kListsOfEf = 1.25;
constexpr double kLists = 8192;
constexpr double kRowsOfEf = 140;
constexpr double kRows = 1e6;
constexpr double kPower = 0.3;

std::size_t lists_for(const Query& query, std::size_t rows, std::size_t lists) {
  const auto ef = static_cast<double>(query.ef);
  const auto there = static_cast<double>(lists);
  const auto all = static_cast<double>(rows);
  const double by_lists = kListsOfEf * ef * std::pow(there / kLists, kPower);
  const double by_rows = kRowsOfEf * ef * std::pow(all / kRows, kPower) * there / all;
  const auto wanted = static_cast<std::size_t>(std::min(std::max(by_lists, by_rows), there)) + 1;
  return std::min(std::max(wanted, query.k / 4), lists);
}

}  // namespace

ColdSearch::ColdSearch(const Pages& pages, PageCache& cache, PageCache::Owner owner,
                       const ListDirectory& directory, const Query& query, const LiveTest& counts)
    : header_(pages.header()),
      directory_(directory),
      counts_(counts),
      kernels_(simd::active()),
      cue_(query.cue),
      dim_(header_.shape.dim),
      k_(std::min(query.k, header_.rows)),
      wanted_lists_(lists_for(query, header_.rows, directory.ends.size())),
      room_(std::max<std::size_t>(4 * k_, 256)),
      deadline_(query.deadline),
      extents_(pages, cache, owner),
      values_(dim_),
      bound_(std::numeric_limits<float>::infinity()) {}

Found ColdSearch::run(Hit* out) {
  Found found;
  if (k_ == 0) return found;
  const Metric metric = header_.shape.metric;
  const hnsw::Coding coding = hnsw::coding_of(cue_, dim_, metric, header_.shift);
  query_ = hnsw::encode_query(cue_, dim_, coding, metric, values_.data());
  const double step = static_cast<double>(query_.product_weight) / (metric == Metric::kL2 ? 2 : 1);
  query_step2_ = step * step;
  query_norm2_ = static_cast<double>(kernels_.dot(cue_, cue_, dim_));

  order_lists();
  scan_lists(0, wanted_lists_);
  // Few of those that were near count: so farther lists are read until there are enough.
  for (std::size_t at = wanted_lists_; at < lists_.size() && candidates_.size() < k_ && !deadline_.passed();
       at += kWave) {
    scan_lists(at, std::min(at + kWave, lists_.size()));
  }
  rank_candidates();
  found.count = select(out);
  found.truncated = deadline_.passed();
  found.pages_read = extents_.pages_read();
  found.pages_hit = extents_.pages_hit();
  return found;
}

// By the distance of their centroids, which are scored as any code is.
void ColdSearch::order_lists() {
  const std::size_t count = directory_.ends.size();
  const std::size_t stride = format::code_bytes(dim_);
  std::vector<float> distances(count);
  std::array<const std::byte*, kBatch> codes;
  for (std::size_t begin = 0; begin < count; begin += kBatch) {
    const std::size_t many = std::min(kBatch, count - begin);
    for (std::size_t i = 0; i < many; ++i) codes[i] = directory_.centroids.data() + (begin + i) * stride;
    kernels_.score_codes(query_, codes.data(), many, dim_, distances.data() + begin);
  }
  lists_.resize(count);
  std::iota(lists_.begin(), lists_.end(), 0U);
  const auto nearer = [&](std::uint32_t a, std::uint32_t b) {
    return distances[a] != distances[b] ? distances[a] < distances[b] : a < b;
  };
  const auto wanted = lists_.begin() + static_cast<std::ptrdiff_t>(wanted_lists_);
  if (wanted != lists_.end()) std::nth_element(lists_.begin(), wanted, lists_.end(), nearer);
  std::sort(lists_.begin(), wanted, nearer);
}

format::Extent ColdSearch::extent_of(std::uint32_t list) const {
  const Row begin = list == 0 ? 0 : directory_.ends[list - 1];
  const std::uint64_t bytes = (directory_.ends[list] - begin) * format::code_bytes(dim_);
  return {header_.section(Section::kLists).offset + directory_.first_pages[list] * kPage,
          format::round_up(bytes, kPage)};
}

// Of lists_[begin, end). While a wave is scored, the next is on its way.
void ColdSearch::scan_lists(std::size_t begin, std::size_t end) {
  extents_.clear();
  std::size_t asked = begin;
  for (std::size_t at = begin; at < end; at += kWave) {
    if (deadline_.due_now()) return;
    for (; asked < std::min(end, at + 2 * kWave); ++asked) extents_.ask(extent_of(lists_[asked]));
    for (std::size_t i = at; i < std::min(end, at + kWave); ++i) {
      scan(lists_[i], extents_.take(i - begin));
      if (deadline_.due_now()) return;
    }
  }
}

void ColdSearch::scan(std::uint32_t list, Bytes codes) {
  const std::size_t stride = format::code_bytes(dim_);
  const Row begin = list == 0 ? 0 : directory_.ends[list - 1];
  std::array<Row, kBatch> rows;
  std::array<const std::byte*, kBatch> at;
  std::size_t count = 0;
  for (Row row = begin; row < directory_.ends[list]; ++row) {
    if (!counts_(row)) continue;
    rows[count] = row;
    at[count] = codes.data() + (row - begin) * stride;
    if (++count < kBatch) continue;
    admit({rows.data(), count}, {at.data(), count});
    count = 0;
  }
  admit({rows.data(), count}, {at.data(), count});
}

void ColdSearch::admit(std::span<const Row> rows, std::span<const std::byte* const> codes) {
  distances_.resize(kBatch + 16);
  chosen_.resize(kBatch + 16);
  kernels_.score_codes(query_, codes.data(), codes.size(), dim_, distances_.data());
  const std::size_t chosen = kernels_.select_below(distances_.data(), codes.size(), bound_, chosen_.data());
  for (std::size_t i = 0; i < chosen; ++i) {
    const std::uint32_t which = chosen_[i];
    candidates_.push_back(candidate(distances_[which], codes[which], rows[which]));
  }
  if (candidates_.size() >= room_) keep_best();
}

// What the rounding of code and query to their steps may have done to the distance. (Each element is off by
// up to half a step, evenly and independently: so is their sum, weighted by the difference of the vectors.)
ColdSearch::Candidate ColdSearch::candidate(float code, const std::byte* at, Row row) const {
  simd::CodeHeader header;
  std::memcpy(&header, at, sizeof header);
  const double step2 = static_cast<double>(header.scale) * static_cast<double>(header.scale);
  const double both = (step2 + query_step2_) * kVariance;
  const double apart = std::max(0.0, static_cast<double>(code));
  double bias = 0;
  double variance = 0;
  switch (header_.shape.metric) {
    case Metric::kL2:
      bias = static_cast<double>(dim_) * both;
      variance = 4 * std::max(apart, bias) * both;
      break;
    case Metric::kCosine:
      bias = static_cast<double>(dim_) * both / 2;
      variance = 2 * std::max(apart, bias) * both;
      break;
    case Metric::kIp:
      variance = (query_norm2_ * step2 + static_cast<double>(header.norm2) * query_step2_) * kVariance;
      break;
  }
  const double error = kDeviations * std::sqrt(variance);
  const double middle = static_cast<double>(code) - bias;
  return {code, static_cast<float>(middle - error), static_cast<float>(middle + error), row};
}

// The k-th smallest of the distances that the candidates are not beyond: whatever surely is has no chance.
float ColdSearch::limit() {
  highs_.clear();
  for (const Candidate& candidate : candidates_) highs_.push_back(candidate.high);
  const auto kth = highs_.begin() + static_cast<std::ptrdiff_t>(std::min(k_, highs_.size()) - 1);
  std::nth_element(highs_.begin(), kth, highs_.end());
  return *kth;
}

// Where codes cannot order, all stay.
void ColdSearch::keep_best() {
  const float most = limit();
  std::erase_if(candidates_, [most](const Candidate& candidate) { return candidate.low > most; });
  float farthest = std::numeric_limits<float>::lowest();
  for (const Candidate& candidate : candidates_) farthest = std::max(farthest, candidate.code);
  bound_ = std::nextafter(farthest, std::numeric_limits<float>::infinity());
  room_ = std::max(room_, 2 * candidates_.size());
}

// First all that may be among the k nearest as far as the codes' error is known; then, as long as what was
// ranked leaves it open, more.
void ColdSearch::rank_candidates() {
  const std::size_t k = std::min(k_, candidates_.size());
  if (k == 0) return;
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.low != b.low ? a.low < b.low : a.row < b.row;
  });
  const float most = limit();
  const auto open = std::partition_point(candidates_.begin(), candidates_.end(),
                                         [&](const Candidate& candidate) { return candidate.low <= most; });
  const std::size_t first = static_cast<std::size_t>(open - candidates_.begin());
  const std::size_t batch = 4 * k_ + 64;
  std::size_t done = deadline_.passed() ? k : std::min(std::max(first, k), batch);
  rank(std::span(candidates_).first(done));
  while (done < candidates_.size() && !deadline_.due_now()) {
    std::nth_element(ranked_.begin(), ranked_.begin() + static_cast<std::ptrdiff_t>(k - 1), ranked_.end(),
                     [](const Hit& a, const Hit& b) { return a.distance < b.distance; });
    const double kth = static_cast<double>(ranked_[k - 1].distance);
    std::size_t end = done;
    while (end < std::min(candidates_.size(), done + batch)) {
      const Candidate& next = candidates_[end];
      if (std::min(static_cast<double>(next.low), error_.least_of(next.code)) >= kth) break;
      ++end;
    }
    if (end == done) return;
    rank(std::span(candidates_).subspan(done, end - done));
    done = end;
  }
}

void ColdSearch::rank(std::span<const Candidate> candidates) {
  const std::uint64_t bytes = dim_ * sizeof(float);
  const std::uint64_t vectors = header_.section(Section::kVectors).offset;
  std::vector<std::uint64_t> pages;
  for (const Candidate& candidate : candidates) {
    const std::uint64_t at = vectors + candidate.row * bytes;
    for (std::uint64_t page = at / kPage; page <= (at + bytes - 1) / kPage; ++page) pages.push_back(page);
  }
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  extents_.clear();
  for (const std::uint64_t page : pages) extents_.ask({page * kPage, kPage});

  std::vector<float> vector(dim_);
  for (const Candidate& candidate : candidates) {
    const std::uint64_t at = vectors + candidate.row * bytes;
    auto number =
        static_cast<std::size_t>(std::lower_bound(pages.begin(), pages.end(), at / kPage) - pages.begin());
    for (std::uint64_t done = 0; done < bytes; ++number) {
      const std::uint64_t inside = (at + done) % kPage;
      const std::uint64_t part = std::min(bytes - done, kPage - inside);
      std::memcpy(reinterpret_cast<std::byte*>(vector.data()) + done, extents_.take(number).data() + inside,
                  part);
      done += part;
    }
    const float exact = distance_to(vector.data());
    error_.see(candidate.code, exact);
    ranked_.push_back({exact, candidate.row});
  }
}

// By the kernels, and so to the bit, that the graph in RAM ranks with.
float ColdSearch::distance_to(const float* vector) const {
  float distance = 0;
  switch (header_.shape.metric) {
    case Metric::kL2:
      distance = kernels_.l2(cue_, vector, dim_);
      break;
    case Metric::kCosine:
      distance = kernels_.cosine(cue_, vector, dim_);
      break;
    case Metric::kIp:
      distance = 1.0F - kernels_.dot(cue_, vector, dim_);
      break;
  }
  return distance == distance ? distance : std::numeric_limits<float>::max();  // inf - inf: beyond float32
}

std::size_t ColdSearch::select(Hit* out) {
  std::erase_if(ranked_, [&](const Hit& hit) { return !counts_(hit.row); });
  std::sort(ranked_.begin(), ranked_.end(), [](const Hit& a, const Hit& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
  });
  const std::size_t found = std::min(k_, ranked_.size());
  std::copy_n(ranked_.begin(), found, out);
  return found;
}

}  // namespace engram::tier
