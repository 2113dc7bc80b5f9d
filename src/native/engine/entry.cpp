#include "engine/entry.h"

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace engram::engine {
namespace {

constexpr std::uint8_t kHasContent = 1;
constexpr std::uint8_t kHasMetadata = 2;
constexpr std::size_t kAlignment = 8;

std::size_t vector_bytes(Op op, std::size_t dim) {
  return op == Op::kStore ? dim * sizeof(float) : 0;
}

[[noreturn]] void refuse(const Path& source, std::size_t offset, const char* what) {
  throw CorruptionError(source.string(), offset,
                        "a record of the log in " + source.string() + " holds " + what + " at byte " +
                            std::to_string(offset) + " of its payload, though its checksum is right");
}

Entry decode_one(ByteReader& reader, std::size_t dim, const Path& source) {
  const std::size_t at = reader.position();
  Entry entry;
  const auto op = reader.get<std::uint8_t>();
  const auto flags = reader.get<std::uint8_t>();
  const auto id_size = reader.get<std::uint16_t>();
  const auto content_size = reader.get<std::uint32_t>();
  const auto metadata_size = reader.get<std::uint32_t>();
  const auto entry_dim = reader.get<std::uint32_t>();
  entry.confidence = reader.get<double>();
  entry.created_at = reader.get<double>();
  if (op != static_cast<std::uint8_t>(Op::kStore) && op != static_cast<std::uint8_t>(Op::kForget)) {
    refuse(source, at, "an unknown operation");
  }
  entry.op = static_cast<Op>(op);
  if ((flags & ~(kHasContent | kHasMetadata)) != 0) refuse(source, at, "an unknown flag");
  if (((flags & kHasContent) == 0 && content_size != 0) ||
      ((flags & kHasMetadata) == 0 && metadata_size != 0)) {
    refuse(source, at, "a text that its flags deny");
  }
  if (entry_dim != (entry.op == Op::kStore ? dim : 0)) refuse(source, at, "a vector of another dimension");
  if (id_size == 0 || id_size > kMaxIdBytes) refuse(source, at, "an id of impossible length");
  const Bytes vector = reader.get_bytes(vector_bytes(entry.op, dim));
  entry.vector = vector.empty() ? nullptr : vector.data();
  entry.id = reader.get_text(id_size);
  const std::string_view content = reader.get_text(content_size);
  const std::string_view metadata = reader.get_text(metadata_size);
  if ((flags & kHasContent) != 0) entry.content = content;
  if ((flags & kHasMetadata) != 0) entry.metadata = metadata;
  const Bytes padding = reader.get_bytes((kAlignment - reader.position() % kAlignment) % kAlignment);
  if (!reader.ok()) refuse(source, at, "an entry longer than itself");
  if (std::ranges::any_of(padding, [](std::byte byte) { return byte != std::byte{0}; })) {
    refuse(source, at, "an entry whose padding is not zero");
  }
  return entry;
}

}  // namespace

std::size_t encoded_size(const Entry& entry, std::size_t dim) {
  const std::size_t size = kEntryHeaderBytes + vector_bytes(entry.op, dim) + entry.id.size() +
                           entry.content.value_or("").size() + entry.metadata.value_or("").size();
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

void encode(const Entry& entry, std::size_t dim, std::vector<std::byte>& payload) {
  ByteWriter writer(payload);
  writer.put(static_cast<std::uint8_t>(entry.op));
  writer.put(
      static_cast<std::uint8_t>((entry.content ? kHasContent : 0) | (entry.metadata ? kHasMetadata : 0)));
  writer.put(static_cast<std::uint16_t>(entry.id.size()));
  writer.put(static_cast<std::uint32_t>(entry.content.value_or("").size()));
  writer.put(static_cast<std::uint32_t>(entry.metadata.value_or("").size()));
  writer.put(static_cast<std::uint32_t>(entry.op == Op::kStore ? dim : 0));
  writer.put(entry.confidence);
  writer.put(entry.created_at);
  const std::size_t size = vector_bytes(entry.op, dim);
  if (entry.vector != nullptr) {
    writer.put_bytes(Bytes(entry.vector, size));
  } else {
    payload.resize(payload.size() + size);
  }
  writer.put_text(entry.id);
  writer.put_text(entry.content.value_or(""));
  writer.put_text(entry.metadata.value_or(""));
  writer.pad_to(kAlignment);
}

std::vector<Decoded> decode(Bytes payload, std::size_t dim, const Path& source) {
  std::vector<Decoded> entries;
  ByteReader reader(payload);
  do {
    const std::size_t offset = reader.position();
    entries.push_back({decode_one(reader, dim, source), offset});
  } while (reader.left() > 0);
  return entries;
}

}  // namespace engram::engine
