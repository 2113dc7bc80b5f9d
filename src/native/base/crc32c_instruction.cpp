// The instruction has a latency of three cycles and a throughput of one: three streams keep it busy. Their
// CRCs are joined by shifting one past the bytes of the next (a multiplication by x^(8 n) mod the polynomial,
// tabulated for the two lengths used).
#include <array>

#include "base/bytes.h"
#include "base/crc32c_detail.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

namespace engram::detail {

#if defined(__x86_64__) || defined(__aarch64__)
namespace {

#if defined(__x86_64__)
std::uint32_t step(std::uint32_t crc, std::uint64_t word) {
  return static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
}
std::uint32_t step(std::uint32_t crc, std::byte byte) {
  return _mm_crc32_u8(crc, static_cast<unsigned char>(byte));
}
#else
std::uint32_t step(std::uint32_t crc, std::uint64_t word) {
  return __crc32cd(crc, word);
}
std::uint32_t step(std::uint32_t crc, std::byte byte) {
  return __crc32cb(crc, static_cast<std::uint8_t>(byte));
}
#endif

// a * b modulo the polynomial, all reflected.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (int bit = 31; bit >= 0; --bit) {
    if ((a >> bit) & 1) product ^= b;
    b = (b >> 1) ^ ((b & 1) ? kCrc32cPolynomial : 0);
  }
  return product;
}

// x^(8 n): what n zero bytes multiply a CRC by.
constexpr std::uint32_t power_of_bytes(std::size_t n) {
  std::uint32_t power = 0x80000000u;        // x^0
  std::uint32_t square = 0x80000000u >> 8;  // x^8
  for (; n != 0; n >>= 1) {
    if (n & 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

using ShiftTable = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr ShiftTable shift_table(std::size_t bytes) {
  const std::uint32_t power = power_of_bytes(bytes);
  ShiftTable table{};
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::uint32_t byte = 1; byte < 256; ++byte) {
      const std::uint32_t rest = byte & (byte - 1);  // linear: the lowest bit's share and all the others'
      table[k][byte] = rest != 0 ? table[k][rest] ^ table[k][byte ^ rest] : multiply(power, byte << (8 * k));
    }
  }
  return table;
}

std::uint32_t shift(const ShiftTable& table, std::uint32_t crc) {
  return table[0][crc & 0xFF] ^ table[1][(crc >> 8) & 0xFF] ^ table[2][(crc >> 16) & 0xFF] ^
         table[3][crc >> 24];
}

constexpr std::size_t kLong = 4096;
constexpr std::size_t kShort = 256;
constexpr ShiftTable kShiftLong = shift_table(kLong);
constexpr ShiftTable kShiftShort = shift_table(kShort);

// Three streams of `kStream` bytes side by side.
template <std::size_t kStream>
std::uint32_t step_streams(std::uint32_t crc, const std::byte* at, const ShiftTable& table) {
  std::uint32_t second = 0;
  std::uint32_t third = 0;
  for (std::size_t i = 0; i < kStream; i += 8) {
    crc = step(crc, load_le<std::uint64_t>(at + i));
    second = step(second, load_le<std::uint64_t>(at + kStream + i));
    third = step(third, load_le<std::uint64_t>(at + 2 * kStream + i));
  }
  return shift(table, shift(table, crc) ^ second) ^ third;
}

}  // namespace

std::uint32_t crc32c_instruction(std::uint32_t so_far, std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t crc = ~so_far;
  for (; left >= 3 * kLong; at += 3 * kLong, left -= 3 * kLong)
    crc = step_streams<kLong>(crc, at, kShiftLong);
  for (; left >= 3 * kShort; at += 3 * kShort, left -= 3 * kShort)
    crc = step_streams<kShort>(crc, at, kShiftShort);
  for (; left >= 8; at += 8, left -= 8) crc = step(crc, load_le<std::uint64_t>(at));
  for (; left > 0; ++at, --left) crc = step(crc, *at);
  return ~crc;
}

#else

std::uint32_t crc32c_instruction(std::uint32_t so_far, std::span<const std::byte> bytes) {
  return crc32c_tables(so_far, bytes);
}

#endif

}  // namespace engram::detail
