#include "engine/activation_file.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"

namespace engram::engine {
namespace {

constexpr std::uint64_t kMagic = 0x564954434152474Eull;  // "NGRACTIV", little-endian
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 16;

}  // namespace

Path activation_path(const Path& folder) {
  return folder / "activation";
}

void write_activations(FileSystem& files, const Path& path, SystemVector<KeyActivation>& all) {
  std::sort(all.begin(), all.end(),
            [](const KeyActivation& a, const KeyActivation& b) { return a.key < b.key; });
  const Bytes body = std::as_bytes(std::span(all));
  std::vector<std::byte> head;
  ByteWriter writer(head);
  writer.put(kMagic);
  writer.put(kVersion);
  writer.put(crc32c(0, body));
  write_atomically(files, path, [&](File& file) {
    const std::array<Bytes, 2> parts{Bytes(head), body};
    file.write_at(0, parts);
  });
}

ActivationFile::ActivationFile(FileSystem& files, const Path& path) {
  if (!files.exists(path)) return;
  try {
    mapping_ = files.open(path, OpenMode::kRead)->map();
  } catch (const CorruptionError&) {  // no file at all lies there: as good as none
    return;
  }
  const Bytes bytes = mapping_->bytes();
  if (bytes.size() < kHeaderBytes || (bytes.size() - kHeaderBytes) % sizeof(KeyActivation) != 0) return;
  ByteReader reader(bytes);
  const auto magic = reader.get<std::uint64_t>();
  const auto version = reader.get<std::uint32_t>();
  const Bytes body = bytes.subspan(kHeaderBytes);
  if (magic != kMagic || version != kVersion || reader.get<std::uint32_t>() != crc32c(0, body)) return;
  pairs_ = {reinterpret_cast<const KeyActivation*>(body.data()), body.size() / sizeof(KeyActivation)};
}

std::optional<Activation> ActivationFile::find(std::uint64_t key) const {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), key,
                                   [](const KeyActivation& pair, std::uint64_t k) { return pair.key < k; });
  if (at == pairs_.end() || at->key != key) return std::nullopt;
  return Activation::of(at->bits);
}

}  // namespace engram::engine
