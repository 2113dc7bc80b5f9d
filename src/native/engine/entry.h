// One operation as the log's payload holds it: a memory stored or an id forgotten. docs/format-store.md gives
// the bytes.
//
// Thread-safety: pure functions and values.
//
// Invariants:
//  (1) A payload is one or more entries, each a multiple of 8 bytes; an entry's offset in its payload added
//  to
//      the record's LSN is the key of what it stores.
//  (2) decode() accepts exactly what encode() writes for the same dimension; anything else is
//  CorruptionError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace engram::engine {

inline constexpr std::size_t kMaxIdBytes = 512;
inline constexpr std::size_t kEntryHeaderBytes = 32;

enum class Op : std::uint8_t { kStore = 1, kForget = 2 };

// The text parts are views into whatever they were made from.
struct Entry {
  Op op = Op::kStore;
  std::string_view id;
  const std::byte* vector = nullptr;  // dim little-endian floats, any alignment; null for kForget
  std::optional<std::string_view> content;
  std::optional<std::string_view> metadata;  // JSON text
  double confidence = 1.0;
  double created_at = 0.0;  // seconds since 1970
};

std::size_t encoded_size(const Entry& entry, std::size_t dim);

// Appends the entry to `payload`. A null vector leaves its bytes zero, to be filled in later.
void encode(const Entry& entry, std::size_t dim, std::vector<std::byte>& payload);

// Where the vector of an entry that starts at `entry_offset` lies in its payload.
inline std::size_t vector_offset(std::size_t entry_offset) {
  return entry_offset + kEntryHeaderBytes;
}

struct Decoded {
  Entry entry;
  std::size_t offset;  // in the payload
};

// Every entry of one payload. Errors: CorruptionError (its file is `source`, its offset that in the payload).
std::vector<Decoded> decode(Bytes payload, std::size_t dim, const Path& source);

}  // namespace engram::engine
