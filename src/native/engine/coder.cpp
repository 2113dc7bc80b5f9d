#include "engine/coder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "hnsw/code.h"

namespace engram::engine {
namespace {

// A value is rounded to the nearest step; the products before may be off by an eighth of a step more.
constexpr double kRounding = 0.625;
// Of the sum of dim products of elements: what a score's few float operations and sums are off by, and what
// the float kernels are.
constexpr double kFloatError = 4e-6;
constexpr double kOverflow = 1e37;

simd::CodeHeader header_of(const std::byte* code) {
  simd::CodeHeader header;
  std::memcpy(&header, code, sizeof header);
  return header;
}

}  // namespace

void Extent::cover(const Extent& other) {
  step = std::max(step, other.step);
  reach = std::max(reach, other.reach);
  norm2 = std::max(norm2, other.norm2);
}

void Coder::encode(const float* vector, std::byte* out) {
  if (metric_ == hnsw::Metric::kL2) {
    std::call_once(chosen_, [&] {
      const double sum = std::accumulate(vector, vector + dim_, 0.0);
      shift_.store(static_cast<float>(sum / static_cast<double>(dim_)), std::memory_order_release);
    });
  }
  encode_shifted(vector, out);
}

void Coder::encode_shifted(const float* vector, std::byte* out) const {
  hnsw::Coding coding{.factor = 1.0F, .shift = shift()};
  if (metric_ == hnsw::Metric::kCosine) {
    const float norm2 = simd::active().dot(vector, vector, dim_);
    coding = {.factor = norm2 > 0 ? 1.0F / std::sqrt(norm2) : 1.0F, .shift = 0.0F};
  }
  hnsw::encode(vector, dim_, coding, out);
}

Extent Coder::extent_of(const std::byte* code) {
  const simd::CodeHeader header = header_of(code);
  return {header.scale, std::fabs(header.offset) + 255.0F * header.scale, header.norm2};
}

void Coder::prepare(const float* cue, Query& query) const {
  query.code.resize(code_bytes());
  query.values.resize(dim_);
  encode_shifted(cue, query.code.data());
  query.terms = hnsw::query_of_code(query.code.data(), dim_, metric_, query.values.data());
  query.extent = extent_of(query.code.data());
}

float Coder::bound(const Query& query, const Extent& extent, float distance) const {
  const double root = std::sqrt(static_cast<double>(dim_));
  const double cue_error = kRounding * root * query.extent.step;
  const double code_error = kRounding * root * extent.step;
  const double reach = static_cast<double>(query.extent.reach) + extent.reach;
  const double slack = kFloatError * static_cast<double>(dim_) * reach * reach;
  const double error = cue_error + code_error;
  double bound = 0;
  if (metric_ == hnsw::Metric::kIp) {
    const double cue_length = std::sqrt(static_cast<double>(query.extent.norm2)) + cue_error;
    const double length = std::sqrt(static_cast<double>(extent.norm2)) + code_error;
    bound = distance + cue_length * code_error + length * cue_error + slack + 1e-5;
  } else {
    // Scores are squared lengths of differences (under cosine half of that), and those are off by `error`.
    const double share = metric_ == hnsw::Metric::kCosine ? 0.5 : 1.0;
    const double length = std::sqrt(std::max(0.0, distance / share)) + error;
    bound = share * (length * length + slack) * (1 + 1e-5) + (share < 1 ? 1e-5 : 0.0);
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // Where a score may have overflown, it says nothing.
  if (static_cast<double>(dim_) * reach * reach > kOverflow || !(bound < kOverflow)) return kInfinity;
  return std::nextafter(static_cast<float>(bound), kInfinity);
}

float Coder::distance(const float* a, const float* b) const {
  const simd::Kernels& kernels = simd::active();
  switch (metric_) {
    case hnsw::Metric::kCosine:
      return kernels.cosine(a, b, dim_);
    case hnsw::Metric::kL2:
      return kernels.l2(a, b, dim_);
    case hnsw::Metric::kIp:
      break;
  }
  return 1.0F - kernels.dot(a, b, dim_);
}

}  // namespace engram::engine
