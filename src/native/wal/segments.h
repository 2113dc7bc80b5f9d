// The segment files of one log: which there are, which is written, which may go.
//
// Thread-safety: room_for() from the leader alone; drop_below() from one thread at a time; the rest from any.
//
// Invariants:
//  (1) The segments' LSN ranges follow each other without a gap, the current one last.
//  (2) A dropped segment is kept as a spare for a later one to write over, which syncs faster than new
//      blocks; only once its new name is durable, lest it come back under the old one with a header that
//      is not its own. Spares are cut to what they may take in all, and go with the next open.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "wal/segment.h"
#include "wal/syncer.h"

namespace engram::wal {

class Segments {
 public:
  // `next` is the header of the segment to start (its epoch is drawn here), after the `sealed` ones.
  Segments(FileSystem& files, Path folder, std::uint64_t segment_bytes, std::deque<SegmentHeader> sealed,
           const SegmentHeader& next, Syncer& syncer);

  // The segment that takes the next group, of `bytes`, with the LSN `base`; a new one if need be.
  // Errors: IoError; the state is as before.
  Segment& room_for(std::size_t bytes, Lsn base, bool overwritten);
  Segment& current() { return *current_; }
  // Removes segments all of whose records are below `lsn`, but for spares of `spare_bytes` in all. Errors:
  // IoError.
  void drop_below(Lsn lsn, std::uint64_t spare_bytes);
  std::size_t count() const;
  const Path& folder() const { return folder_; }
  // For the child side of a fork alone.
  void abandon() noexcept;

 private:
  static constexpr std::size_t kMostSpares = 2;
  static constexpr std::uint64_t kLeastSpare = 64u << 10;
  struct Spare {
    Path path;
    std::uint64_t bytes;
  };

  void start(const SegmentHeader& header);
  void remove_spares();
  bool rename_to_spare(const Path& path, const Path& spare);
  std::optional<Path> take_spare();
  std::vector<std::uint32_t> take_sealed_below(Lsn lsn);
  Spare cut(const Path& path, std::uint64_t most);

  FileSystem& files_;
  const Path folder_;
  const std::uint64_t segment_bytes_;
  Syncer& syncer_;
  std::shared_ptr<Segment> current_;
  std::atomic<Segment*> open_{nullptr};  // current_, for abandon()
  mutable std::mutex mutex_;
  std::deque<SegmentHeader> sealed_;
  std::vector<Spare> spares_;
};

}  // namespace engram::wal
