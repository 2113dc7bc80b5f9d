// The segment files of one log: which there are, which is written, which may go.
//
// Thread-safety: room_for() from the leader alone; the rest from any thread.
//
// Invariant: the segments' LSN ranges follow each other without a gap, the current one last.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

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
  // Removes segments all of whose records are below `lsn`.
  void drop_below(Lsn lsn);
  std::size_t count() const;
  const Path& folder() const { return folder_; }
  // For the child side of a fork alone.
  void abandon() noexcept;

 private:
  void start(const SegmentHeader& header);

  FileSystem& files_;
  const Path folder_;
  const std::uint64_t segment_bytes_;
  Syncer& syncer_;
  std::shared_ptr<Segment> current_;
  std::atomic<Segment*> open_{nullptr};  // current_, for abandon()
  mutable std::mutex mutex_;
  std::deque<SegmentHeader> sealed_;
};

}  // namespace engram::wal
