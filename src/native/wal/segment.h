// One segment file that is being written: created whole or not at all, its blocks reserved ahead of the
// groups that fill them.
//
// Thread-safety: append() and reserve() from one thread at a time; sync() and abandon() beside them from any.
//
// Invariants:
//  (1) A file with a segment's name has a whole, synced header: it is made under another name, synced,
//      renamed, and the folder synced, before a record goes into it.
//  (2) append() writes only blocks that reserve() holds, so a full disk shows before a write, not in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wal/format.h"

namespace engram::wal {

// "00000007.wal"; the number in such a name, or nothing.
std::string segment_name(std::uint32_t sequence);
std::optional<std::uint32_t> segment_sequence(std::string_view name);

inline constexpr std::string_view kUnfinishedName = "next.tmp";

// "spare-00000007.wal": a segment that was dropped, to be written over by a later one.
std::string spare_name(std::uint32_t sequence);
bool is_spare_name(std::string_view name);

class Segment {
 public:
  // `limit`: how many bytes of it to use, header included. `spare`: the file to write over, if there is one;
  // its having that name must be durable.
  static std::shared_ptr<Segment> create(FileSystem& files, const Path& folder, const SegmentHeader& header,
                                         std::uint64_t limit, const std::optional<Path>& spare);

  const SegmentHeader& header() const { return header_; }
  const Path& path() const { return path_; }
  // A group of any size fits in an empty segment.
  bool fits(std::size_t bytes) const { return end_ + bytes <= limit_ || end_ == kSegmentHeaderBytes; }

  // Holds blocks for `bytes` more; `overwritten`: they have been written before append() writes them, or are
  // now along with it, so that a later sync has no news of them to write but their bytes.
  void reserve(std::size_t bytes, bool overwritten);
  // At most kMostParts parts, `bytes` in all.
  void append(std::span<const Bytes> parts, std::size_t bytes);
  void sync() { file_->sync_data(); }
  // Errors: IoError when the file was removed under us: a sync of it succeeds and saves nothing.
  void check_named() const;
  // Errors: IoError when its name leads elsewhere: a segment made beside it would be another store's.
  void check_place() const;
  // Gives the blocks after the last group back to the disk.
  void trim();
  void abandon() noexcept { file_->abandon(); }

  static constexpr std::size_t kMostParts = 3;

  Segment(Path path, const SegmentHeader& header, std::uint64_t limit, std::unique_ptr<File> file,
          std::uint64_t reserved, std::uint64_t written);

 private:
  Path path_;
  SegmentHeader header_;
  std::uint64_t limit_;
  std::unique_ptr<File> file_;
  std::uint64_t end_ = kSegmentHeaderBytes;  // where the next group goes
  std::uint64_t reserved_;                   // blocks are held up to here
  std::uint64_t written_;                    // and have been written up to here
  std::uint64_t fill_to_ = 0;                // zeros go up to here with the next group
};

}  // namespace engram::wal
