// The reference: plain loops that any processor runs and the other tables are tested against. Sums are kept
// in lanes, so that the compiler may use the baseline's vectors without reordering anything.
#include <cstring>

#include "simd/one.h"
#include "simd/prefetch.h"
#include "simd/tables.h"

namespace engram::simd {
namespace {

constexpr std::size_t kLanes = 8;

// The sum over i of term(i), the terms spread over lanes that are added pairwise at the end.
template <class Term>
float sum_lanes(std::size_t dim, Term&& term) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (std::size_t lane = 0; i + lane < dim; ++lane) lanes[lane] += term(i + lane);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

float l2(const float* a, const float* b, std::size_t dim) {
  return sum_lanes(dim, [=](std::size_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
}

float dot(const float* a, const float* b, std::size_t dim) {
  return sum_lanes(dim, [=](std::size_t i) { return a[i] * b[i]; });
}

float cosine(const float* a, const float* b, std::size_t dim) {
  return cosine_distance(dot(a, b, dim), dot(a, a, dim), dot(b, b, dim));
}

void l2_rows(const float* query, const float* const* rows, std::size_t count, std::size_t dim, float* out) {
  each_row(rows, count, dim, out, [=](const float* row) { return l2(query, row, dim); });
}

void dot_rows(const float* query, const float* const* rows, std::size_t count, std::size_t dim, float* out) {
  each_row(rows, count, dim, out, [=](const float* row) { return dot(query, row, dim); });
}

void cosine_rows(const float* query, const float* const* rows, std::size_t count, std::size_t dim,
                 float* out) {
  each_row(rows, count, dim, out, [=](const float* row) { return cosine(query, row, dim); });
}

std::int32_t dot_u8s8(const std::uint8_t* a, const std::int8_t* b, std::size_t dim) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
  return sum;
}

std::uint32_t l2_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    const std::int32_t difference = std::int32_t{a[i]} - std::int32_t{b[i]};
    sum += static_cast<std::uint32_t>(difference * difference);
  }
  return sum;
}

std::int32_t dot_sketch(const std::uint8_t* sketch, const std::int8_t* query, std::size_t dim) {
  constexpr std::size_t kHalf = kSketchBlock / 2;
  std::int32_t sum = 0;
  for (std::size_t block = 0; block < sketch_blocks(dim) * kHalf; block += kHalf) {
    const std::int8_t* const values = query + 2 * block;
    for (std::size_t i = 0; i < kHalf; ++i) {
      sum += std::int32_t{sketch[block + i] & 0xF} * std::int32_t{values[i]};
      sum += std::int32_t{sketch[block + i] >> 4} * std::int32_t{values[kHalf + i]};
    }
  }
  return sum;
}

template <class Dot>
[[gnu::always_inline]] inline void score_all(const CodeQuery& query, const std::byte* const* codes,
                                             std::size_t count, std::size_t bytes, float* out, Dot&& dot) {
  const std::size_t ahead = codes_ahead(bytes);
  std::size_t fetched = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (; fetched < i + ahead && fetched < count; ++fetched) prefetch(codes[fetched], bytes, kCodeHead);
    CodeHeader header;
    std::memcpy(&header, codes[i], sizeof header);
    const auto* values = reinterpret_cast<const std::uint8_t*>(codes[i] + kCodeHeaderBytes);
    out[i] = code_distance(query, header, dot(values));
  }
}

void score_codes(const CodeQuery& query, const std::byte* const* codes, std::size_t count, std::size_t dim,
                 float* out) {
  score_all(query, codes, count, kCodeHeaderBytes + dim, out,
            [&](const std::uint8_t* values) { return dot_u8s8(values, query.values, dim); });
}

void score_sketches(const CodeQuery& query, const std::byte* const* sketches, std::size_t count,
                    std::size_t dim, float* out) {
  score_all(query, sketches, count, sketch_bytes(dim), out,
            [&](const std::uint8_t* values) { return dot_sketch(values, query.values, dim); });
}

std::size_t select_below(const float* values, std::size_t count, float bound, std::uint32_t* out) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    out[found] = static_cast<std::uint32_t>(i);
    found += values[i] < bound ? 1 : 0;
  }
  return found;
}

std::size_t rank(const float* ascending, std::size_t count, float x) {
  std::size_t below = 0;
  while (count > 0) {
    const std::size_t half = count / 2;
    const bool right = ascending[below + half] <= x;
    below = right ? below + half + 1 : below;
    count = right ? count - half - 1 : half;
  }
  return below;
}

void f16_to_f32(const std::uint16_t* in, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = f32_from_f16(in[i]);
}

void f32_to_f16(const float* in, std::uint16_t* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = f16_from_f32(in[i]);
}

void bf16_to_f32(const std::uint16_t* in, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = f32_from_bf16(in[i]);
}

void f32_to_bf16(const float* in, std::uint16_t* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = bf16_from_f32(in[i]);
}

}  // namespace

constinit const Kernels kScalarKernels = {
    "scalar",    l2,         dot,        cosine,      l2_rows,        dot_rows,
    cosine_rows, dot_u8s8,   l2_u8,      score_codes, score_sketches, select_below,
    rank,        f16_to_f32, f32_to_f16, bf16_to_f32, f32_to_bf16,
};

}  // namespace engram::simd
