// A segment: the sealed file of one part of the warm or the cold tier. Written once by seal(), never changed;
// docs/format-segment.md gives the bytes.
//
// A warm segment is a graph that is walked where it lies, in the file mapped; a cold one is inverted lists of
// codes on the disk whose centroids alone are in RAM. Both rank their answer on the full vectors.
//
// Thread-safety: all const calls from any thread at once.
//
// Invariants:
//  (1) Nothing read from the file is believed before the checksum of its page was found right; damage is a
//      CorruptionError with file and offset, or a right answer that did not need the damaged page.
//  (2) Distances are bit for bit those the graph in RAM gives for the same vectors.
//  (3) A search returns a row only if counts(row) held while it ran.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "tier/live_rows.h"
#include "tier/page_cache.h"
#include "tier/types.h"

namespace engram::tier {

// Writes `path`, which must not exist, and syncs it; the caller syncs the folder and names the file in its
// manifest. On failure the file is removed again. Rows are renumbered: keys() tells where each went.
// Errors: InvalidInput (a shape out of range, no rows or too many, an id too long), OutOfSpace, IoError, what
// `breathe` throws.
void seal(FileSystem& files, const Path& path, Kind kind, const Shape& shape, std::span<const RowIn> rows,
          const SealOptions& options);

struct Query {
  const float* cue = nullptr;  // dim floats, finite
  std::size_t k = 10;
  std::size_t ef = 64;  // breadth: candidates of the walk, or how many lists are read
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct Found {
  std::size_t count = 0;
  bool truncated = false;      // the deadline came first: the best of what was seen
  std::size_t pages_read = 0;  // of 4 KiB
  std::size_t pages_hit = 0;   // found in the page cache instead
};

class Segment {
 public:
  // Reads the header. `cache` outlives the segment.
  // Errors: CorruptionError, UnsupportedFormat, IoError.
  static std::unique_ptr<Segment> open(FileSystem& files, const Path& path, PageCache& cache);

  virtual ~Segment() = default;
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  virtual Kind kind() const = 0;
  virtual const Shape& shape() const = 0;
  virtual const Path& path() const = 0;
  virtual std::size_t rows() const = 0;
  std::size_t dim() const { return shape().dim; }

  // The columns, by row; the first call checks all of it. Errors of these: CorruptionError.
  virtual std::span<const std::uint64_t> keys() const = 0;
  virtual std::span<const std::uint64_t> hashes() const = 0;
  virtual std::string id(Row row) const = 0;
  virtual std::string_view id_view(Row row) const = 0;  // valid while the segment lives
  virtual double confidence(Row row) const = 0;
  virtual void copy_vector(Row row, float* out) const = 0;
  // Its vector in the mapped file, valid while the segment lives: for reading many.
  virtual const float* vector(Row row) const = 0;
  // The key of one row, of which only its page is checked.
  virtual std::uint64_t key(Row row) const = 0;
  // Whether this is the row's id; where the damage of a page leaves it open, true (its hash says so).
  virtual bool id_is(Row row, std::string_view id) const noexcept = 0;
  // Has all columns checked anew before they are believed again: what was right when it was first read may
  // have been damaged since.
  virtual void doubt() const = 0;
  // Asks the disk for what id(), key() and confidence() of these rows will read, all at once.
  virtual void will_need(std::span<const Row> rows) const = 0;

  // The k nearest of the rows that count, nearest first, ties by row; `out` has room for k.
  // Errors: CorruptionError, IoError.
  virtual Found search(const Query& query, const LiveTest& counts, Hit* out) const = 0;

  virtual std::uint64_t disk_bytes() const = 0;
  virtual std::size_t memory_bytes()
      const = 0;  // anonymous memory it holds; not the page cache's, not mappings
  // Reads every page, checks every checksum and the structure. Errors: CorruptionError, IoError.
  virtual void verify() const = 0;

 protected:
  Segment() = default;
};

}  // namespace engram::tier
