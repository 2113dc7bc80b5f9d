#include "base/crc32c.h"

#include <array>

#include "base/bytes.h"
#include "base/crc32c_detail.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace engram {
namespace {

// kTables[k][b]: what byte b contributes to the CRC when k bytes follow it.
constexpr auto kTables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? detail::kCrc32cPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}();

std::uint32_t step_byte(std::uint32_t crc, std::byte byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint32_t>(byte)) & 0xFF];
}

std::uint32_t step_word(std::uint32_t crc, std::uint64_t word) {
  word ^= crc;
  std::uint32_t next = 0;
  for (std::size_t k = 0; k < 8; ++k) next ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
  return next;
}

}  // namespace

namespace detail {

std::uint32_t crc32c_tables(std::uint32_t so_far, std::span<const std::byte> bytes) {
  std::uint32_t crc = ~so_far;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8))
    crc = step_word(crc, load_le<std::uint64_t>(bytes.data()));
  for (const std::byte byte : bytes) crc = step_byte(crc, byte);
  return ~crc;
}

bool crc32c_has_instruction() {
#if defined(__x86_64__)
  return true;  // SSE4.2 is in the baseline, x86-64-v2
#elif defined(__aarch64__) && defined(__linux__)
  static const bool has = (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
  return has;
#elif defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

}  // namespace detail

std::uint32_t crc32c(std::uint32_t so_far, std::span<const std::byte> bytes) {
  return detail::crc32c_has_instruction() ? detail::crc32c_instruction(so_far, bytes)
                                          : detail::crc32c_tables(so_far, bytes);
}

}  // namespace engram
