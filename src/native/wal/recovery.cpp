#include "wal/recovery.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>

#include "base/error.h"
#include "wal/reader.h"
#include "wal/segment.h"

namespace engram::wal {
namespace {

constexpr Lsn kNoLimit = std::numeric_limits<Lsn>::max();
constexpr const char* kRemedy = "; run `engram repair` to keep what can be kept";

std::string hex(std::uint32_t value) {
  std::array<char, 9> text;
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

std::string quoted(const Path& path) {
  return "log segment " + path.filename().string();
}

[[noreturn]] void refuse(const Path& path, std::uint64_t offset, const std::string& sentence) {
  throw CorruptionError(path.string(), offset, sentence + kRemedy);
}

SegmentHeader read_header(FileSystem& files, const Path& path, std::uint32_t sequence) {
  std::array<std::byte, kSegmentHeaderBytes> bytes;
  const std::size_t size = files.open(path, OpenMode::kRead)->read_at(0, bytes);
  SegmentHeader header;
  switch (decode(Bytes(bytes).first(size), header)) {
    case HeadState::kGood:
      break;
    case HeadState::kForeign:
    case HeadState::kDamaged:  // never a torn write: it was synced before the file had this name
      refuse(path, 0, quoted(path) + " is damaged at byte 0 or was never one: it has no whole header");
    case HeadState::kNewer:
      throw UnsupportedFormat(quoted(path) +
                              " was written by a newer Engram (this one reads format version " +
                              std::to_string(kFormatVersion) + "): upgrade engram-store to open it");
  }
  if (header.sequence != sequence) {
    refuse(path, 0,
           quoted(path) + " says it is " + segment_name(header.sequence) + ": it was renamed or copied");
  }
  if (header.base < kFirstLsn || header.base % kAlignment != 0 || header.synced > header.base) {
    refuse(path, 0, quoted(path) + " begins at an impossible LSN, " + std::to_string(header.base));
  }
  return header;
}

std::vector<SegmentHeader> read_headers(FileSystem& files, const Path& folder) {
  std::vector<SegmentHeader> headers;
  for (const std::string& name : files.list(folder)) {
    if (const std::optional<std::uint32_t> sequence = segment_sequence(name)) {
      headers.push_back(read_header(files, folder / name, *sequence));
    }
  }
  std::ranges::sort(headers, {}, &SegmentHeader::sequence);
  return headers;
}

// Splits off those that a later one supersedes from their first record on.
void keep_those_that_count(const std::vector<SegmentHeader>& headers, Recovered& found) {
  Lsn limit = kNoLimit;
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    if (header->base < limit) {
      found.kept.push_front(*header);
    } else {
      found.idle.push_back(header->sequence);
    }
    limit = std::min(limit, header->base);
  }
}

void check_chain(const Path& folder, const std::deque<SegmentHeader>& kept, std::size_t first) {
  for (std::size_t i = first; i < kept.size(); ++i) {
    const Path path = folder / segment_name(kept[i].sequence);
    if (kept[i].log_id != kept[first].log_id) {
      refuse(path, 0, quoted(path) + " belongs to another log than " + segment_name(kept[first].sequence));
    }
    if (i > first && kept[i].previous != kept[i - 1].sequence) {
      refuse(path, 0, quoted(path) + " follows " + segment_name(kept[i].previous) + ", which is missing");
    }
  }
}

// The whole file, in memory of its own: a mapping would turn a bad disk into a signal.
class Contents {
 public:
  explicit Contents(const File& file)
      : size_(file.size()), bytes_(std::make_unique_for_overwrite<std::byte[]>(size_)) {
    size_ = file.read_at(0, {bytes_.get(), size_});
  }
  Bytes bytes() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

class Recovery {
 public:
  Recovery(FileSystem& files, const Path& folder, Lsn from, bool read_only, const Replay& replay)
      : files_(files),
        folder_(folder),
        from_(std::max(from, kFirstLsn)),
        read_only_(read_only),
        replay_(replay) {}

  Recovered run() {
    const std::vector<SegmentHeader> headers = read_headers(files_, folder_);
    keep_those_that_count(headers, found_);
    if (!headers.empty()) {
      found_.fresh = false;
      found_.last_sequence = headers.back().sequence;
      read(first_needed());
    }
    if (found_.end < from_) {
      refuse(folder_, 0,
             "the log in " + folder_.string() + " ends at LSN " + std::to_string(found_.end) +
                 ", but what it fed has applied it up to " + std::to_string(from_) +
                 ": some of it is missing");
    }
    return std::move(found_);
  }

 private:
  // The last segment that begins at or before what is asked for; those before it are not even read.
  std::size_t first_needed() const {
    std::size_t first = found_.kept.size();
    while (first > 0 && found_.kept[first - 1].base > from_) --first;
    if (first > 0) return first - 1;
    const Path path = path_of(found_.kept.front());
    refuse(path, 0,
           quoted(path) + " begins at LSN " + std::to_string(found_.kept.front().base) +
               ", but records from " + std::to_string(from_) + " on are needed: segments are missing");
  }

  void read(std::size_t first) {
    check_chain(folder_, found_.kept, first);
    found_.log_id = found_.kept[first].log_id;
    for (std::size_t i = first; i < found_.kept.size(); ++i) {
      const bool last = i + 1 == found_.kept.size();
      const Lsn limit = last ? kNoLimit : found_.kept[i + 1].base;
      if (!read_segment(i, limit) && !last) {  // what comes after the tear is dropped
        for (std::size_t k = found_.kept.size(); k-- > i + 1; found_.kept.pop_back()) {
          found_.idle.push_back(found_.kept[k].sequence);
        }
      }
    }
    if (found_.end == found_.kept.back().base) {
      found_.idle.push_back(found_.kept.back().sequence);
      found_.kept.pop_back();
    }
  }

  // False when it ends before `limit`.
  bool read_segment(std::size_t index, Lsn limit) {
    const SegmentHeader& header = found_.kept[index];
    const Path path = path_of(header);
    const std::unique_ptr<File> file = files_.open(path, read_only_ ? OpenMode::kRead : OpenMode::kReadWrite);
    const Contents contents(*file);
    const SegmentReader reader(contents.bytes(), header);
    const SegmentReader::End end = reader.read(kNoLimit, limit, replay_);
    if (end.crossed) {
      refuse(path, end.offset,
             quoted(path) + " has a record at byte " + std::to_string(end.offset) +
                 " that reaches beyond LSN " + std::to_string(limit) + ", where the next segment begins");
    }
    if (end.lsn < limit) refuse_proven_damage(reader, index, end);
    // Before it is replayed: whoever applies it may commit it, and nothing may outrun the log.
    if (!read_only_) make_durable(*file, reader, contents.bytes(), index, end);
    reader.read(from_, end.lsn, replay_);
    found_.end = end.lsn;
    return end.lsn == limit;
  }

  // What is not proven to be on stable storage is written once more, as it is: had a sync of it failed
  // before, the system would now have it in memory alone, and think it had nothing to write.
  void make_durable(File& file, const SegmentReader& reader, Bytes bytes, std::size_t index,
                    const SegmentReader::End& end) const {
    Lsn synced = end.synced;
    for (std::size_t i = index + 1; i < found_.kept.size(); ++i) {
      synced = std::max(synced, found_.kept[i].synced);
    }
    if (synced >= end.lsn) return;
    const std::uint64_t begin = reader.offset_of_group(synced);
    file.write_at(begin, std::array<Bytes, 1>{bytes.subspan(begin, end.offset - begin)});
    file.sync_data();
  }

  // The records end at `end`: is there anything that says there were more, and safe?
  void refuse_proven_damage(const SegmentReader& reader, std::size_t index,
                            const SegmentReader::End& end) const {
    std::optional<Lsn> synced = reader.find_synced_beyond(end.lsn, end.offset);
    for (std::size_t i = index + 1; i < found_.kept.size() && !synced; ++i) {
      const SegmentHeader& later = found_.kept[i];
      synced = later.synced;
      if (later.synced > end.lsn) break;
      const Contents contents(*files_.open(path_of(later), OpenMode::kRead));
      synced = SegmentReader(contents.bytes(), later).find_synced_beyond(end.lsn, kSegmentHeaderBytes);
    }
    if (!synced) return;
    std::string sentence =
        quoted(path_of(found_.kept[index])) + " is damaged at byte " + std::to_string(end.offset);
    if (end.checksums) {
      sentence +=
          " (checksum " + hex(end.checksums->first) + ", expected " + hex(end.checksums->second) + ")";
    }
    refuse(path_of(found_.kept[index]), end.offset,
           sentence + " below what a later record proves was synced");
  }

  Path path_of(const SegmentHeader& header) const { return folder_ / segment_name(header.sequence); }

  FileSystem& files_;
  const Path folder_;
  const Lsn from_;
  const bool read_only_;
  const Replay& replay_;
  Recovered found_;
};

}  // namespace

Recovered recover(FileSystem& files, const Path& folder, Lsn from, bool read_only, const Replay& replay) {
  return Recovery(files, folder, from, read_only, replay).run();
}

}  // namespace engram::wal
