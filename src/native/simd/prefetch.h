// Asking for memory before it is needed: what a recall waits for is memory, not arithmetic.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>

namespace engram::simd {
namespace {

// How many are being fetched while one is scored, measured on random places of half a gigabyte: with fewer,
// the lines that a core can have in flight are not used up; more of them would push each other out.
constexpr std::size_t kRowsAhead = 8;
[[maybe_unused]] constexpr std::size_t codes_ahead(std::size_t bytes) {
  return bytes <= 512 ? 24 : 12;
}

// Of a row the head is fetched, and the processor follows by itself; of a code, which may lie anywhere, all.
constexpr std::size_t kRowHead = 1024;
constexpr std::size_t kCodeHead = 4160;  // 4,096 dimensions

// Fetches what begins there, at most `most` bytes of it.
[[gnu::always_inline]] inline void prefetch(const void* begin, std::size_t bytes, std::size_t most) {
  constexpr std::size_t kLine = 64;
  const std::size_t head = bytes < most ? bytes : most;
  const char* at = static_cast<const char*>(begin);
  for (std::size_t i = 0; i < head; i += kLine) __builtin_prefetch(at + i);
  __builtin_prefetch(at + head - 1);
}

// score(row) for each row, the start of later ones being fetched meanwhile.
template <class Score>
[[gnu::always_inline]] inline void each_row(const float* const* rows, std::size_t count, std::size_t dim,
                                            float* out, Score&& score) {
  const std::size_t bytes = dim * sizeof(float);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) prefetch(rows[i + kRowsAhead], bytes, kRowHead);
    out[i] = score(rows[i]);
  }
}

}  // namespace
}  // namespace engram::simd
