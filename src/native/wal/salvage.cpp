#include "wal/salvage.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "wal/segment.h"

namespace engram::wal {
namespace {

constexpr Lsn kNoLimit = std::numeric_limits<Lsn>::max();

struct Source {
  Path path;
  SegmentHeader header;
  bool whole_header = true;
};

std::unique_ptr<std::byte[]> contents(const File& file, Bytes& bytes) {
  const std::size_t size = file.size();
  auto memory = std::make_unique_for_overwrite<std::byte[]>(size);
  bytes = {memory.get(), file.read_at(0, {memory.get(), size})};
  return memory;
}

// What the first group tells of a segment whose header is damaged.
std::optional<SegmentHeader> guess_header(Bytes bytes, std::uint32_t sequence) {
  if (bytes.size() < kSegmentHeaderBytes + kGroupHeaderBytes) return std::nullopt;
  const Bytes at = bytes.subspan(kSegmentHeaderBytes);
  const std::optional<GroupHeader> group = decode_group(at, load_le<std::uint64_t>(at.data() + 8));
  if (!group || group->first < kFirstLsn || group->first % kAlignment != 0) return std::nullopt;
  SegmentHeader header;
  header.epoch = group->epoch;
  header.sequence = sequence;
  header.base = group->first;
  return header;
}

// One segment, read from its first byte to its last.
class Salvager {
 public:
  Salvager(const Source& source, Bytes bytes, const Replay& replay, Salvaged& found)
      : source_(source), bytes_(bytes), replay_(replay), found_(found) {}

  // Passes on the records in [from, limit).
  void run(Lsn from, Lsn limit) {
    lsn_ = source_.header.base;
    limit_ = limit;
    while (lsn_ < limit_) {
      if (skip_group_header()) continue;
      if (const std::optional<RecordHeader> record = record_at(offset_, lsn_, lsn_)) {
        pass_on(*record, from);
      } else if (!resume()) {
        break;
      }
    }
    if (lsn_ < limit_ && limit_ != kNoLimit) {
      const std::uint64_t begin = std::min<std::uint64_t>(offset_, bytes_.size());
      found_.unreadable.push_back({source_.path, begin, bytes_.size() - begin, lsn_, limit_});
      lsn_ = limit_;
    }
    found_.end = std::max(found_.end, lsn_);
    found_.ended = limit_ != kNoLimit || ends_here();
  }

 private:
  // A closed segment ends with a group that says so, or holds nothing. One that was killed has blocks
  // reserved behind its last group, and for the whole of one that was not finished.
  bool ends_here() const {
    if (closed_ || offset_ == bytes_.size()) return closed_ || offset_ == kSegmentHeaderBytes;
    if (bytes_.size() - offset_ < kGroupHeaderBytes + kRecordHeaderBytes) return false;
    const RecordHeader record = decode_record(bytes_.data() + offset_);
    return record.lsn != lsn_ || record_bytes(record.length) <= bytes_.size() - offset_;
  }

  bool skip_group_header() {
    if (offset_ > bytes_.size()) return false;
    const std::optional<GroupHeader> group = decode_group(bytes_.subspan(offset_), source_.header.epoch);
    if (!group || group->first != lsn_) return false;
    offset_ += kGroupHeaderBytes;
    closed_ = group->records == 0;
    return true;
  }

  // The whole record at `offset`, if its LSN lies in [least, most].
  std::optional<RecordHeader> record_at(std::uint64_t offset, Lsn least, Lsn most) const {
    if (offset + kRecordHeaderBytes > bytes_.size()) return std::nullopt;
    const RecordHeader record = decode_record(bytes_.data() + offset);
    if (record.lsn < least || record.lsn > most || record.lsn % kAlignment != 0) return std::nullopt;
    const std::uint64_t size = record_bytes(record.length);
    if (size > bytes_.size() - offset || record.lsn >= limit_ || size > limit_ - record.lsn) {
      return std::nullopt;
    }
    const Bytes payload = bytes_.subspan(offset + kRecordHeaderBytes, record.length);
    const std::uint32_t sum =
        record_checksum(crc32c(0, payload), source_.header.epoch, record.lsn, record.length);
    return sum == record.checksum ? std::optional(record) : std::nullopt;
  }

  void pass_on(const RecordHeader& record, Lsn from) {
    if (lsn_ >= from) {
      replay_({lsn_, bytes_.subspan(offset_ + kRecordHeaderBytes, record.length), 0});
      ++found_.records;
    }
    lsn_ += record_bytes(record.length);
    offset_ += record_bytes(record.length);
  }

  // Finds the next group or record that can be read and notes what lies before it. False: there is none.
  bool resume() {
    for (std::uint64_t at = padded(offset_ + 1); at + kRecordHeaderBytes <= bytes_.size(); at += kAlignment) {
      // Records alone take LSN space: the LSN cannot have grown by more than the bytes in between.
      const Lsn most = lsn_ + (at - offset_);
      Lsn next = 0;
      if (const auto group = decode_group(bytes_.subspan(at), source_.header.epoch);
          group && group->first >= lsn_ && group->first <= std::min(most, limit_)) {
        next = group->first;
      } else if (const auto record = record_at(at, lsn_, most)) {
        next = record->lsn;
      } else {
        continue;
      }
      // A damaged header of a group whose records can be read has cost nothing.
      if (next > lsn_) found_.unreadable.push_back({source_.path, offset_, at - offset_, lsn_, next});
      offset_ = at;
      lsn_ = next;
      return true;
    }
    return false;
  }

  const Source& source_;
  const Bytes bytes_;
  const Replay& replay_;
  Salvaged& found_;
  std::uint64_t offset_ = kSegmentHeaderBytes;
  Lsn lsn_ = 0;
  Lsn limit_ = 0;
  bool closed_ = false;  // the last group said so
};

class Salvage {
 public:
  Salvage(FileSystem& files, const Path& folder, const Replay& replay)
      : files_(files), folder_(folder), replay_(replay) {}

  Salvaged run() {
    find_sources();
    drop_strangers();
    Lsn reached = sources_.empty() ? 0 : sources_.front().header.base;
    for (std::size_t i = 0; i < sources_.size(); ++i) reached = std::min(reached, sources_[i].header.base);
    found_.begin = found_.end = reached;
    for (std::size_t i = 0; i < sources_.size(); ++i) read(i);
    return std::move(found_);
  }

 private:
  void find_sources() {
    if (!files_.exists(folder_)) return;
    for (const std::string& name : files_.list(folder_)) {
      if (const std::optional<std::uint32_t> sequence = segment_sequence(name))
        add(folder_ / name, *sequence);
    }
    std::ranges::sort(sources_, {}, [](const Source& source) { return source.header.sequence; });
  }

  void add(const Path& path, std::uint32_t sequence) {
    Bytes bytes;
    const auto memory = contents(*files_.open(path, OpenMode::kRead), bytes);
    Source source{path, {}, true};
    switch (decode(bytes, source.header)) {
      case HeadState::kGood:
        break;
      case HeadState::kNewer:
        throw UnsupportedFormat("log segment " + path.filename().string() +
                                " was written by a newer Engram: upgrade engram-store to repair it");
      case HeadState::kForeign:
      case HeadState::kDamaged:
        source.whole_header = false;
        if (const auto guessed = guess_header(bytes, sequence)) {
          source.header = *guessed;
        } else {
          found_.unreadable.push_back({path, 0, bytes.size(), 0, 0});
          return;
        }
    }
    sources_.push_back(std::move(source));
  }

  // Segments of another log, and second copies of one, would be read as what they are not.
  void drop_strangers() {
    std::map<std::uint64_t, std::size_t> logs;
    for (const Source& source : sources_) {
      if (source.whole_header) ++logs[source.header.log_id];
    }
    if (logs.empty()) return;
    const std::uint64_t ours =
        std::ranges::max_element(logs, {}, [](const auto& log) { return log.second; })->first;
    std::set<std::uint64_t> epochs;
    std::erase_if(sources_, [&](const Source& source) {
      const bool strange = source.whole_header && source.header.log_id != ours;
      if (strange) found_.unreadable.push_back({source.path, 0, 0, 0, 0});
      return strange || !epochs.insert(source.header.epoch).second;
    });
  }

  void read(std::size_t index) {
    const Source& source = sources_[index];
    Lsn limit = kNoLimit;
    for (std::size_t i = index + 1; i < sources_.size(); ++i) {
      limit = std::min(limit, sources_[i].header.base);
    }
    if (source.header.base >= limit) return;  // superseded from its first record on
    if (source.header.base > found_.end) {
      found_.unreadable.push_back({folder_, 0, 0, found_.end, source.header.base});
    }
    Bytes bytes;
    const auto memory = contents(*files_.open(source.path, OpenMode::kRead), bytes);
    Salvager(source, bytes, replay_, found_).run(found_.end, limit);
  }

  FileSystem& files_;
  const Path folder_;
  const Replay& replay_;
  std::vector<Source> sources_;
  Salvaged found_;
};

}  // namespace

Salvaged salvage(FileSystem& files, const Path& folder, const Replay& replay) {
  return Salvage(files, folder, replay).run();
}

}  // namespace engram::wal
