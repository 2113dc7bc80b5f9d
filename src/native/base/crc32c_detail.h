// The two ways to a CRC-32C, for base/crc32c.cpp and its test alone.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace engram::detail {

inline constexpr std::uint32_t kCrc32cPolynomial = 0x82F63B78u;  // reflected: bit 31 is x^0

// By tables, eight bytes a step: for processors without the instruction.
std::uint32_t crc32c_tables(std::uint32_t so_far, std::span<const std::byte> bytes);

// By the processor's CRC instruction, three independent streams at once. Call only where
// crc32c_has_instruction().
std::uint32_t crc32c_instruction(std::uint32_t so_far, std::span<const std::byte> bytes);
bool crc32c_has_instruction();

}  // namespace engram::detail
