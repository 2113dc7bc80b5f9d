#include "wal/segment.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/error.h"

namespace engram::wal {
namespace {

constexpr std::string_view kSuffix = ".wal";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::size_t kDigits = 8;
constexpr std::uint64_t kFirstStretch = 64u << 10;  // a store of three memories should not take a megabyte
constexpr std::uint64_t kLargestStretch = 1u << 20;
// A group this large is bound by its own bytes: writing its blocks twice would cost more than it saves.
constexpr std::size_t kLargeGroup = 64u << 10;

constexpr std::array<std::byte, 64u << 10> kZeros{};

}  // namespace

std::string segment_name(std::uint32_t sequence) {
  std::string digits = std::to_string(sequence);
  if (digits.size() < kDigits) digits.insert(0, kDigits - digits.size(), '0');
  return digits.append(kSuffix);
}

std::string spare_name(std::uint32_t sequence) {
  return std::string(kSparePrefix) + segment_name(sequence);
}

bool is_spare_name(std::string_view name) {
  return name.starts_with(kSparePrefix);
}

std::optional<std::uint32_t> segment_sequence(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(0, name.size() - kSuffix.size());
  std::uint32_t sequence = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sequence);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (sequence == 0 || segment_name(sequence) != name) return std::nullopt;
  return sequence;
}

std::shared_ptr<Segment> Segment::create(FileSystem& files, const Path& folder, const SegmentHeader& header,
                                         std::uint64_t limit, const std::optional<Path>& spare) {
  const Path unfinished = spare.value_or(folder / kUnfinishedName);
  if (!spare && files.exists(unfinished)) files.remove(unfinished);
  std::unique_ptr<File> file = files.open(unfinished, spare ? OpenMode::kReadWrite : OpenMode::kCreate);
  const std::uint64_t written = std::max<std::uint64_t>(spare ? file->size() : 0, kSegmentHeaderBytes);
  const std::uint64_t reserved = std::max(written, std::min(limit, kFirstStretch));
  file->allocate(0, reserved);
  std::array<std::byte, kSegmentHeaderBytes> bytes;
  encode(header, bytes.data());
  file->write_at(0, std::array<Bytes, 1>{bytes});
  file->sync_data();
  const Path path = folder / segment_name(header.sequence);
  files.rename(unfinished, path);
  files.sync_folder(folder);
  return std::make_shared<Segment>(path, header, limit, std::move(file), reserved, written);
}

Segment::Segment(Path path, const SegmentHeader& header, std::uint64_t limit, std::unique_ptr<File> file,
                 std::uint64_t reserved, std::uint64_t written)
    : path_(std::move(path)),
      header_(header),
      limit_(limit),
      file_(std::move(file)),
      reserved_(reserved),
      written_(written) {}

void Segment::reserve(std::size_t bytes, bool overwritten) {
  const std::uint64_t end = end_ + bytes;
  if (end > reserved_) {
    const std::uint64_t stretch = std::clamp(reserved_, kFirstStretch, kLargestStretch);
    const std::uint64_t wanted = std::max(end, std::min(reserved_ + stretch, limit_));
    file_->allocate(reserved_, wanted - reserved_);
    reserved_ = wanted;
  }
  const bool fill = overwritten && end > written_ && bytes < kLargeGroup;
  fill_to_ = fill ? std::min(reserved_, end + kLargestStretch) : end;
}

void Segment::append(std::span<const Bytes> parts, std::size_t bytes) {
  std::array<Bytes, kMostParts + kLargestStretch / kZeros.size() + 1> all;
  std::size_t count = 0;
  for (const Bytes& part : parts) all[count++] = part;
  const std::uint64_t end = end_ + bytes;
  for (std::uint64_t at = end; at < fill_to_ && count < all.size(); ++count) {
    all[count] = Bytes(kZeros).first(std::min<std::uint64_t>(kZeros.size(), fill_to_ - at));
    at += all[count].size();
  }
  file_->write_at(end_, std::span(all).first(count));
  written_ = std::max({written_, end, fill_to_});
  end_ = end;
}

void Segment::check_named() const {
  if (file_->is_named()) return;
  throw IoError(ENOENT, path_.string(),
                path_.string() + " was removed while the store was open: what is written to it is lost");
}

void Segment::check_place() const {
  if (file_->is_at(path_)) return;
  throw IoError(ENOENT, path_.string(),
                path_.string() +
                    " was moved, or its folder replaced, while the store was open: the log goes on nowhere, "
                    "for another store may be there now");
}

void Segment::trim() {
  if (end_ >= reserved_) return;
  file_->truncate(end_);
  reserved_ = end_;
}

}  // namespace engram::wal
