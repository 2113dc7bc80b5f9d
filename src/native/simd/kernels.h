// Distance kernels: the same functions once for each instruction set, one table chosen once at run time.
//
// Thread-safety: active() may be called from any thread, the kernels are pure functions.
//
// Invariants:
//  (1) Any dimension from 1 to 65,536, any alignment; nothing is read beyond the vectors' ends.
//  (2) Integer kernels equal the scalar ones exactly; float kernels are within rounding of them.
//  (3) No intrinsic leaves this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace engram::simd {

inline constexpr std::size_t kMaxDimension = 65'536;

// An affine 8-bit code of one vector: x[i] is about offset + scale * values[i]. The header's terms make any
// metric one fused expression of the integer product (see CodeQuery).
struct CodeHeader {
  float norm2;   // squared length of the decoded vector
  float scale;   // step of one code unit
  float offset;  // what code value 0 stands for
  float sum;     // sum of the decoded vector's elements
};
static_assert(sizeof(CodeHeader) == 16);
// In memory: the header, then `dim` bytes of values.
inline constexpr std::size_t kCodeHeaderBytes = sizeof(CodeHeader);

// A sketch is a code of 4 bits an element, for where half the bytes are worth more than the finer step: the
// header (of what the sketch decodes to), then 64 bytes for each 128 elements, of which the low halves are
// the first 64 elements and the high halves the others. Behind the last element it is padded with zeros.
inline constexpr std::size_t kSketchBlock = 128;
constexpr std::size_t sketch_blocks(std::size_t dim) {
  return (dim + kSketchBlock - 1) / kSketchBlock;
}
constexpr std::size_t sketch_bytes(std::size_t dim) {
  return kCodeHeaderBytes + sketch_blocks(dim) * (kSketchBlock / 2);
}

// A query prepared for scoring codes. With I = sum(values[i] * query[i]) over the code's uint8 values and the
// query's int8 values, the distance is
//   bias + norm2_weight * norm2 + product_weight * scale * I + offset_weight * offset + sum_weight * sum.
struct CodeQuery {
  const std::int8_t* values;
  float bias;
  float norm2_weight;
  float product_weight;
  float offset_weight;
  float sum_weight;
};

struct Kernels {
  std::string_view name;  // "scalar", "avx2", "avx2vnni", "avx512", "avx512vnni", "neon", "neondot"

  // Squared Euclidean distance.
  float (*l2)(const float* a, const float* b, std::size_t dim);
  // Inner product.
  float (*dot)(const float* a, const float* b, std::size_t dim);
  // 1 - cos(a, b), clamped to [0, 2]; 1 when either has length 0. Squared lengths must be finite.
  float (*cosine)(const float* a, const float* b, std::size_t dim);
  // The same of one query and many rows: out[i] is bit for bit what l2 (dot, cosine) gives for (query,
  // rows[i]).
  void (*l2_rows)(const float* query, const float* const* rows, std::size_t count, std::size_t dim,
                  float* out);
  void (*dot_rows)(const float* query, const float* const* rows, std::size_t count, std::size_t dim,
                   float* out);
  void (*cosine_rows)(const float* query, const float* const* rows, std::size_t count, std::size_t dim,
                      float* out);

  // Exact for every input: |result| < 2^31 up to kMaxDimension.
  std::int32_t (*dot_u8s8)(const std::uint8_t* a, const std::int8_t* b, std::size_t dim);
  // Exact: < 2^32 up to kMaxDimension.
  std::uint32_t (*l2_u8)(const std::uint8_t* a, const std::uint8_t* b, std::size_t dim);

  // out[i] = the distance of the code at codes[i] (header, then dim bytes), by CodeQuery's expression. What
  // is not a number, or beyond the largest float, comes out as the largest float. Codes may have any
  // alignment. Every table gives the same bits, so that a graph does not depend on the processor that built
  // it.
  void (*score_codes)(const CodeQuery& query, const std::byte* const* codes, std::size_t count,
                      std::size_t dim, float* out);

  // The same of sketches. The query's values go on behind `dim` with zeros, to a whole number of blocks.
  void (*score_sketches)(const CodeQuery& query, const std::byte* const* sketches, std::size_t count,
                         std::size_t dim, float* out);

  // Writes the indices i < count with values[i] < bound to `out` (room for count + 16), in order; returns how
  // many.
  std::size_t (*select_below)(const float* values, std::size_t count, float bound, std::uint32_t* out);
  // How many of the `count` ascending values are <= x: where x belongs.
  std::size_t (*rank)(const float* ascending, std::size_t count, float x);

  // IEEE half and bfloat16 to float32 and back (to nearest even; what overflows becomes infinity).
  void (*f16_to_f32)(const std::uint16_t* in, float* out, std::size_t count);
  void (*f32_to_f16)(const float* in, std::uint16_t* out, std::size_t count);
  void (*bf16_to_f32)(const std::uint16_t* in, float* out, std::size_t count);
  void (*f32_to_bf16)(const float* in, std::uint16_t* out, std::size_t count);
};

// The fastest table this processor runs, or the one ENGRAM_ISA names; chosen at the first call.
// Throws InvalidInput when ENGRAM_ISA names an unknown set or one this processor lacks.
const Kernels& active();

// Every table this processor runs, scalar first.
std::span<const Kernels* const> available();

}  // namespace engram::simd
