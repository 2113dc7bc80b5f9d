#include "engine/row_crc.h"

#include <array>
#include <bit>
#include <cstddef>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace engram::engine {
namespace {

using OptionalText = std::optional<std::string_view>;

std::uint64_t size_of(OptionalText text) {
  return text ? text->size() : ~std::uint64_t{0};
}

std::uint32_t add(std::uint32_t crc, OptionalText text) {
  return text ? crc32c(crc, std::as_bytes(std::span(text->data(), text->size()))) : crc;
}

}  // namespace

std::uint32_t row_crc(std::uint64_t key, std::string_view id, OptionalText content, OptionalText metadata,
                      double confidence, double created_at) {
  std::array<std::byte, 48> fixed;
  const std::array<std::uint64_t, 6> fields{key,
                                            id.size(),
                                            size_of(content),
                                            size_of(metadata),
                                            std::bit_cast<std::uint64_t>(confidence),
                                            std::bit_cast<std::uint64_t>(created_at)};
  for (std::size_t i = 0; i < fields.size(); ++i) store_le(fixed.data() + 8 * i, fields[i]);
  return add(add(add(crc32c(0, fixed), id), content), metadata);
}

}  // namespace engram::engine
