// The checksum of a row of the catalog: docs/format-store.md.
//
// Thread-safety: a pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace engram::engine {

std::uint32_t row_crc(std::uint64_t key, std::string_view id, std::optional<std::string_view> content,
                      std::optional<std::string_view> metadata, double confidence, double created_at);

}  // namespace engram::engine
