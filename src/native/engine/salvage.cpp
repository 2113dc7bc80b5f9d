#include "engine/salvage.h"

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace engram::engine {

SalvagedRows salvage_rows(FileSystem& files, const Path& path) {
  constexpr std::uint64_t kLsnAt = 16;  // docs/format-store.md
  const std::unique_ptr<File> file = files.open(path, OpenMode::kRead);
  std::array<std::byte, 8> lsn{};
  file->read_at(kLsnAt, lsn);
  SalvagedRows found;
  found.lsn = load_le<std::uint64_t>(lsn.data());
  found.rows = read_rows(*file, path, found.lsn);  // its header's checksum covers the LSN
  return found;
}

wal::Salvaged salvage_log(FileSystem& files, const Path& folder, std::size_t dim, const SeeEntries& see) {
  std::vector<wal::Unreadable> foreign;
  const auto replay = [&](const wal::Record& record) {
    std::vector<Decoded> entries;
    try {
      entries = decode(record.payload, dim, folder);
    } catch (const CorruptionError&) {
      foreign.push_back({folder, 0, 0, record.lsn, record.lsn + wal::record_bytes(record.payload.size())});
      return;
    }
    see(record.lsn, entries);
  };
  wal::Salvaged found = wal::salvage(files, folder, replay);
  found.unreadable.insert(found.unreadable.end(), foreign.begin(), foreign.end());
  return found;
}

}  // namespace engram::engine
