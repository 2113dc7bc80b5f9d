// Sketches: 4 bits of each element of a code, for walking where vectors are long (the layout is in
// simd/kernels.h).
//
// What a walk waits for is memory, and a sketch is half the bytes of a code. It only leads the walk: what the
// walk has found is ordered by the codes (resolve.h), as is all that is linked.
//
// Thread-safety: pure functions.
//
// Invariants: a sketch depends on its code alone; equal codes have equal sketches.
#pragma once

#include <cstddef>

#include "simd/kernels.h"

namespace engram::hnsw {

// Vectors of this many elements and more have sketches. Measured: docs/performance.md.
inline constexpr std::size_t kSketchedFrom = 768;

// Writes simd::sketch_bytes(dim) to `out`.
void sketch(const std::byte* code, std::size_t dim, std::byte* out);

}  // namespace engram::hnsw
