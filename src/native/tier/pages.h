// A segment's file: mapped, and read; every page checked against its checksum once before it is believed.
//
// Pages are checked by reading them, not through the mapping: a disk that fails then gives an error, where a
// touch of the mapping would end the process.
//
// Thread-safety: every call from any thread.
//
// Invariants: need() returns only when the checksums of all pages it covers were right once since the file
// was opened, or since they were last in doubt.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tier/format.h"

namespace engram::tier {

class Pages {
 public:
  // Reads and checks the header, and reads the checksums: 4 bytes a page are kept.
  Pages(FileSystem& files, const Path& path);

  const format::Header& header() const { return header_; }
  const Path& path() const { return path_; }
  const File& file() const { return *file_; }
  // Of a byte of the file, whose page may not have been checked.
  const std::byte* at(std::uint64_t offset) const { return bytes_ + offset; }

  // Checks the pages of [offset, offset + size), `together` of them around an unchecked one at once; returns
  // how many were read. Errors: CorruptionError, IoError.
  std::size_t need(std::uint64_t offset, std::size_t size, std::size_t together = 1) const {
    std::size_t read = 0;
    const std::uint64_t last = (offset + size - 1) / format::kPage;
    for (std::uint64_t page = offset / format::kPage; page <= last; ++page) {
      if (!checked(page)) read += check(page, together);
    }
    return read;
  }
  // Has the pages of [offset, offset + size) checked anew before they are believed again.
  void doubt(std::uint64_t offset, std::uint64_t size) const;
  // Checks whole pages that were read elsewhere, `offset` being that of the first. Errors: CorruptionError.
  void check_read(std::uint64_t offset, Bytes pages) const;
  // Reads `out` and checks it: whole pages. Errors: CorruptionError, IoError.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  [[noreturn]] void corrupt(std::uint64_t offset, const std::string& what) const {
    format::corrupt(path_, offset, what);
  }
  // Reads and checks every page, those checked before too.
  void verify() const;
  std::size_t memory_bytes() const;

 private:
  static std::uint64_t bit(std::uint64_t page) { return std::uint64_t{1} << (page % 64); }
  bool checked(std::uint64_t page) const {
    return (checked_[page / 64].load(std::memory_order_relaxed) & bit(page)) != 0;
  }
  std::size_t check(std::uint64_t page, std::size_t together) const;
  bool right(std::uint64_t page, Bytes bytes) const;
  [[noreturn]] void wrong(std::uint64_t page) const;
  void read_sums();

  Path path_;
  std::unique_ptr<File> file_;
  format::Header header_;
  std::unique_ptr<Mapping> mapping_;
  const std::byte* bytes_ = nullptr;
  std::vector<std::uint32_t> sums_;
  std::vector<bool> sums_right_;  // by page of checksums
  std::unique_ptr<std::atomic<std::uint64_t>[]> checked_;
};

}  // namespace engram::tier
