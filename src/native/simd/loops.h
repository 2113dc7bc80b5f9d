// The kernels' loops, once for all instruction sets: templates over an `Isa`, a struct of the few operations
// that an instruction set has of its own (avx2.h has the plainest one).
//
// Thread-safety: pure functions.
//
// Invariants:
//  (1) Everything is in an anonymous namespace and no inline function of the standard library is called:
//      simd/tables.h says why.
//  (2) Every sum of floats is kept in the same accumulators in the same order, so that dot(a, a), the norms
//      inside cosine() and the rows variants agree to the bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/one.h"
#include "simd/prefetch.h"

namespace engram::simd {
namespace {

template <std::size_t kSize>
[[gnu::always_inline]] inline void copy_if(std::size_t n, const std::uint8_t*& from, std::uint8_t*& to) {
  if ((n & kSize) == 0) return;
  __builtin_memcpy(to, from, kSize);
  from += kSize;
  to += kSize;
}

// Copies n < 32 bytes without calling memcpy.
[[maybe_unused]] inline void copy_few(const std::uint8_t* from, std::size_t n, std::uint8_t* to) {
  copy_if<16>(n, from, to);
  copy_if<8>(n, from, to);
  copy_if<4>(n, from, to);
  copy_if<2>(n, from, to);
  copy_if<1>(n, from, to);
}

constexpr std::size_t kAccumulators = 4;  // hide the latency of a fused multiply-add

template <class Isa>
struct FloatSum {
  typename Isa::Floats part[kAccumulators] = {Isa::zero(), Isa::zero(), Isa::zero(), Isa::zero()};

  [[gnu::always_inline]] inline void add_product(std::size_t k, typename Isa::Floats a,
                                                 typename Isa::Floats b) {
    part[k] = Isa::multiply_add(a, b, part[k]);
  }
  [[gnu::always_inline]] inline float total() const {
    return Isa::total(Isa::add(Isa::add(part[0], part[1]), Isa::add(part[2], part[3])));
  }
};

// What each kernel adds up of two registers of elements.
template <class Isa>
struct L2Sums {
  FloatSum<Isa> squares;
  [[gnu::always_inline]] inline void step(std::size_t k, typename Isa::Floats a, typename Isa::Floats b) {
    const typename Isa::Floats difference = Isa::subtract(a, b);
    squares.add_product(k, difference, difference);
  }
};
template <class Isa>
struct DotSums {
  FloatSum<Isa> ab;
  [[gnu::always_inline]] inline void step(std::size_t k, typename Isa::Floats a, typename Isa::Floats b) {
    ab.add_product(k, a, b);
  }
};
template <class Isa>
struct CosineSums {  // all but |a|^2, which many rows share
  FloatSum<Isa> ab, bb;
  [[gnu::always_inline]] inline void step(std::size_t k, typename Isa::Floats a, typename Isa::Floats b) {
    ab.add_product(k, a, b);
    bb.add_product(k, b, b);
  }
};
template <class Isa>
struct FullCosineSums {
  FloatSum<Isa> ab, bb, aa;
  [[gnu::always_inline]] inline void step(std::size_t k, typename Isa::Floats a, typename Isa::Floats b) {
    ab.add_product(k, a, b);
    bb.add_product(k, b, b);
    aa.add_product(k, a, a);
  }
};

template <class Isa, class Sums>
[[gnu::always_inline]] inline Sums accumulate(const float* a, const float* b, std::size_t dim) {
  constexpr std::size_t kWidth = Isa::kFloats;
  Sums sums;
  std::size_t i = 0;
  for (; i + kAccumulators * kWidth <= dim; i += kAccumulators * kWidth) {
    for (std::size_t k = 0; k < kAccumulators; ++k) {
      sums.step(k, Isa::load(a + i + k * kWidth), Isa::load(b + i + k * kWidth));
    }
  }
  for (; i + kWidth <= dim; i += kWidth) sums.step(0, Isa::load(a + i), Isa::load(b + i));
  if (i < dim) sums.step(1, Isa::load_last(a, dim), Isa::load_last(b, dim));
  return sums;
}

template <class Isa>
float l2(const float* a, const float* b, std::size_t dim) {
  return accumulate<Isa, L2Sums<Isa>>(a, b, dim).squares.total();
}

template <class Isa>
float dot(const float* a, const float* b, std::size_t dim) {
  return accumulate<Isa, DotSums<Isa>>(a, b, dim).ab.total();
}

template <class Isa>
float cosine(const float* a, const float* b, std::size_t dim) {
  const auto sums = accumulate<Isa, FullCosineSums<Isa>>(a, b, dim);
  return cosine_distance(sums.ab.total(), sums.aa.total(), sums.bb.total());
}

template <class Isa>
void l2_rows(const float* query, const float* const* rows, std::size_t count, std::size_t dim, float* out) {
  each_row(rows, count, dim, out, [=](const float* row) { return l2<Isa>(query, row, dim); });
}

template <class Isa>
void dot_rows(const float* query, const float* const* rows, std::size_t count, std::size_t dim, float* out) {
  each_row(rows, count, dim, out, [=](const float* row) { return dot<Isa>(query, row, dim); });
}

template <class Isa>
void cosine_rows(const float* query, const float* const* rows, std::size_t count, std::size_t dim,
                 float* out) {
  const float query_norm2 = dot<Isa>(query, query, dim);
  each_row(rows, count, dim, out, [=](const float* row) {
    const auto sums = accumulate<Isa, CosineSums<Isa>>(query, row, dim);
    return cosine_distance(sums.ab.total(), query_norm2, sums.bb.total());
  });
}

// The inner products of one query with kCodes codes at once, so that each load of the query serves all of
// them and their latencies overlap.
template <class Isa, std::size_t kCodes>
[[gnu::always_inline]] inline void multiply_codes(const std::uint8_t* const (&codes)[kCodes],
                                                  const std::int8_t* query, std::size_t dim,
                                                  typename Isa::Sum (&sums)[kCodes]) {
  constexpr std::size_t kWidth = Isa::kBytes;
  for (std::size_t j = 0; j < kCodes; ++j) sums[j] = Isa::no_sum();
  std::size_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) {
    const typename Isa::Query values = Isa::query(Isa::load_bytes(query + i));
    for (std::size_t j = 0; j < kCodes; ++j) {
      sums[j] = Isa::multiply_add(Isa::load_bytes(codes[j] + i), values, sums[j]);
    }
  }
  if (i < dim) {
    const typename Isa::Query values = Isa::query(Isa::load_last_bytes(query, dim));
    for (std::size_t j = 0; j < kCodes; ++j) {
      sums[j] = Isa::multiply_add(Isa::load_last_bytes(codes[j], dim), values, sums[j]);
    }
  }
}

template <class Isa>
std::int32_t dot_u8s8(const std::uint8_t* a, const std::int8_t* b, std::size_t dim) {
  const std::uint8_t* const codes[1] = {a};
  typename Isa::Sum sums[1];
  multiply_codes<Isa>(codes, b, dim, sums);
  return Isa::total(sums[0]);
}

template <class Isa>
std::uint32_t l2_u8(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim) {
  constexpr std::size_t kWidth = Isa::kBytes;
  typename Isa::Sum sum = Isa::no_sum();
  std::size_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) {
    sum = Isa::add_squared_differences(Isa::load_bytes(a + i), Isa::load_bytes(b + i), sum);
  }
  if (i < dim) {
    sum = Isa::add_squared_differences(Isa::load_last_bytes(a, dim), Isa::load_last_bytes(b, dim), sum);
  }
  return static_cast<std::uint32_t>(Isa::total(sum));
}

// The same of sketches.
template <class Isa, std::size_t kCodes>
[[gnu::always_inline]] inline void multiply_sketches(const std::uint8_t* const (&sketches)[kCodes],
                                                     const std::int8_t* query, std::size_t dim,
                                                     typename Isa::Sum (&sums)[kCodes]) {
  constexpr std::size_t kHalf = kSketchBlock / 2;
  for (std::size_t j = 0; j < kCodes; ++j) sums[j] = Isa::no_sum();
  const std::size_t bytes = sketch_blocks(dim) * kHalf;
  for (std::size_t block = 0; block < bytes; block += kHalf) {
    const std::int8_t* const values = query + 2 * block;
    for (std::size_t i = 0; i < kHalf; i += Isa::kBytes) {
      const typename Isa::Query low = Isa::query(Isa::load_bytes(values + i));
      const typename Isa::Query high = Isa::query(Isa::load_bytes(values + kHalf + i));
      for (std::size_t j = 0; j < kCodes; ++j) {
        const auto both = Isa::load_bytes(sketches[j] + block + i);
        sums[j] = Isa::multiply_add(Isa::low_halves(both), low, sums[j]);
        sums[j] = Isa::multiply_add(Isa::high_halves(both), high, sums[j]);
      }
    }
  }
}

constexpr std::size_t kTogether = 4;  // codes scored at once

// What score_all() multiplies: codes, or sketches.
template <class Isa>
struct OfCodes {
  static constexpr std::size_t bytes(std::size_t dim) { return kCodeHeaderBytes + dim; }
  [[gnu::always_inline]] static inline void multiply(const std::uint8_t* const (&values)[kTogether],
                                                     const std::int8_t* query, std::size_t dim,
                                                     typename Isa::Sum (&sums)[kTogether]) {
    multiply_codes<Isa>(values, query, dim, sums);
  }
};
template <class Isa>
struct OfSketches {
  static constexpr std::size_t bytes(std::size_t dim) { return sketch_bytes(dim); }
  [[gnu::always_inline]] static inline void multiply(const std::uint8_t* const (&values)[kTogether],
                                                     const std::int8_t* query, std::size_t dim,
                                                     typename Isa::Sum (&sums)[kTogether]) {
    multiply_sketches<Isa>(values, query, dim, sums);
  }
};

template <class Isa, class Of>
[[gnu::always_inline]] inline void score_group(const CodeQuery& query,
                                               const std::byte* const (&codes)[kTogether], std::size_t dim,
                                               float* out) {
  const std::uint8_t* values[kTogether];
  for (std::size_t j = 0; j < kTogether; ++j) {
    values[j] = reinterpret_cast<const std::uint8_t*>(codes[j] + kCodeHeaderBytes);
  }
  typename Isa::Sum sums[kTogether];
  Of::multiply(values, query.values, dim, sums);
  Isa::finish(query, codes, sums, out);
}

template <class Isa, class Of>
void score_all(const CodeQuery& query, const std::byte* const* codes, std::size_t count, std::size_t dim,
               float* out) {
  const std::size_t bytes = Of::bytes(dim);
  const std::size_t ahead = codes_ahead(bytes);
  std::size_t fetched = 0;
  std::size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) {
    for (; fetched < i + ahead && fetched < count; ++fetched) prefetch(codes[fetched], bytes, kCodeHead);
    score_group<Isa, Of>(query, {codes[i], codes[i + 1], codes[i + 2], codes[i + 3]}, dim, out + i);
  }
  if (i == count) return;
  const std::size_t last = count - 1;  // fills the group up: scored again rather than apart
  float distances[kTogether];
  score_group<Isa, Of>(
      query, {codes[i], codes[i + 1 < last ? i + 1 : last], codes[i + 2 < last ? i + 2 : last], codes[last]},
      dim, distances);
  out[i] = distances[0];  // one by one: a loop would become a call of memcpy
  if (i + 1 < count) out[i + 1] = distances[1];
  if (i + 2 < count) out[i + 2] = distances[2];
}

template <class Isa>
std::size_t rank(const float* ascending, std::size_t count, float x) {
  std::size_t below = 0;
  while (count > 2 * Isa::kFloats) {  // for so few, counting beats halving
    const std::size_t half = count / 2;
    const bool right = ascending[below + half] <= x;
    below = right ? below + half + 1 : below;
    count = right ? count - half - 1 : half;
  }
  const float* at = ascending + below;
  std::size_t i = 0;
  for (; i + Isa::kFloats <= count; i += Isa::kFloats) below += Isa::count_not_above(Isa::load(at + i), x);
  for (; i < count; ++i) below += at[i] <= x ? 1 : 0;
  return below;
}

template <class Isa>
std::size_t select_below(const float* values, std::size_t count, float bound, std::uint32_t* out) {
  std::size_t found = 0;
  std::size_t i = 0;
  for (; i + Isa::kFloats <= count; i += Isa::kFloats) {
    found += Isa::select_below(Isa::load(values + i), bound, static_cast<std::uint32_t>(i), out + found);
  }
  for (; i < count; ++i) {
    out[found] = static_cast<std::uint32_t>(i);
    found += values[i] < bound ? 1 : 0;
  }
  return found;
}

// convert(in, out) does Isa::kFloats elements at once, one(x) a single one.
template <class Isa, class In, class Out, class Convert, class One>
[[gnu::always_inline]] inline void convert_all(const In* in, Out* out, std::size_t count, Convert&& convert,
                                               One&& one) {
  std::size_t i = 0;
  for (; i + Isa::kFloats <= count; i += Isa::kFloats) convert(in + i, out + i);
  for (; i < count; ++i) out[i] = one(in[i]);
}

template <class Isa>
void f16_to_f32(const std::uint16_t* in, float* out, std::size_t count) {
  convert_all<Isa>(in, out, count, Isa::f16_to_f32, f32_from_f16);
}
template <class Isa>
void f32_to_f16(const float* in, std::uint16_t* out, std::size_t count) {
  convert_all<Isa>(in, out, count, Isa::f32_to_f16, f16_from_f32);
}
template <class Isa>
void bf16_to_f32(const std::uint16_t* in, float* out, std::size_t count) {
  convert_all<Isa>(in, out, count, Isa::bf16_to_f32, f32_from_bf16);
}
template <class Isa>
void f32_to_bf16(const float* in, std::uint16_t* out, std::size_t count) {
  convert_all<Isa>(in, out, count, Isa::f32_to_bf16, bf16_from_f32);
}

template <class Isa>
consteval Kernels table_of(std::string_view name) {
  return {
      .name = name,
      .l2 = l2<Isa>,
      .dot = dot<Isa>,
      .cosine = cosine<Isa>,
      .l2_rows = l2_rows<Isa>,
      .dot_rows = dot_rows<Isa>,
      .cosine_rows = cosine_rows<Isa>,
      .dot_u8s8 = dot_u8s8<Isa>,
      .l2_u8 = l2_u8<Isa>,
      .score_codes = score_all<Isa, OfCodes<Isa>>,
      .score_sketches = score_all<Isa, OfSketches<Isa>>,
      .select_below = select_below<Isa>,
      .rank = rank<Isa>,
      .f16_to_f32 = f16_to_f32<Isa>,
      .f32_to_f16 = f32_to_f16<Isa>,
      .bf16_to_f32 = bf16_to_f32<Isa>,
      .f32_to_bf16 = f32_to_bf16<Isa>,
  };
}

}  // namespace
}  // namespace engram::simd
