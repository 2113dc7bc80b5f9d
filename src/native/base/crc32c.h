// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected: RFC 3720 appendix B.4), by the processor's own
// instruction where it has one.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace engram {

// The CRC of the bytes seen so far followed by `bytes`; start with 0.
std::uint32_t crc32c(std::uint32_t so_far, std::span<const std::byte> bytes);

}  // namespace engram
