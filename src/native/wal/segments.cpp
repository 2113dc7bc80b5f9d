#include "wal/segments.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/error.h"

namespace engram::wal {

namespace {

std::uint64_t draw_epoch() {
  std::random_device source;
  std::uint64_t epoch = 0;
  while (epoch == 0) epoch = std::uint64_t{source()} << 32 | source();
  return epoch;
}

}  // namespace

Segments::Segments(FileSystem& files, Path folder, std::uint64_t segment_bytes,
                   std::deque<SegmentHeader> sealed, const SegmentHeader& next, Syncer& syncer)
    : files_(files),
      folder_(std::move(folder)),
      segment_bytes_(segment_bytes),
      syncer_(syncer),
      sealed_(std::move(sealed)) {
  remove_spares();
  start(next);
}

void Segments::start(const SegmentHeader& header) {
  SegmentHeader next = header;
  next.epoch = draw_epoch();
  std::shared_ptr<Segment> segment = Segment::create(files_, folder_, next, segment_bytes_, take_spare());
  syncer_.add(segment);
  const std::lock_guard lock(mutex_);
  if (current_) sealed_.push_back(current_->header());
  current_ = std::move(segment);
  open_.store(current_.get(), std::memory_order_release);
}

Segment& Segments::room_for(std::size_t bytes, Lsn base, bool overwritten) {
  if (!current_->fits(bytes)) {
    current_->check_place();  // the next one is made by name
    SegmentHeader next = current_->header();
    next.previous = next.sequence++;
    next.base = base;
    next.synced = syncer_.synced();
    start(next);
  }
  current_->reserve(bytes, overwritten);
  return *current_;
}

void Segments::drop_below(Lsn lsn, std::uint64_t spare_bytes) {
  const std::vector<std::uint32_t> dropped = take_sealed_below(lsn);
  if (dropped.empty()) return;
  std::size_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    wanted = kMostSpares - spares_.size();
    for (const Spare& spare : spares_) spare_bytes -= std::min(spare_bytes, spare.bytes);
  }
  std::vector<Path> spared;
  for (const std::uint32_t sequence : dropped) {
    const Path path = folder_ / segment_name(sequence);
    const Path spare = folder_ / spare_name(sequence);
    const bool keep = spared.size() < wanted && spare_bytes >= kLeastSpare;
    if (keep && rename_to_spare(path, spare)) {
      spared.push_back(spare);
    } else {
      files_.remove(path);
    }
  }
  files_.sync_folder(folder_);
  for (const Path& path : spared) {
    if (spare_bytes < kLeastSpare) {
      files_.remove(path);
      continue;
    }
    const Spare spare = cut(path, spare_bytes);
    spare_bytes -= spare.bytes;
    const std::lock_guard lock(mutex_);
    spares_.push_back(spare);
  }
}

std::vector<std::uint32_t> Segments::take_sealed_below(Lsn lsn) {
  std::vector<std::uint32_t> taken;
  const std::lock_guard lock(mutex_);
  while (!sealed_.empty()) {
    const Lsn end = sealed_.size() > 1 ? sealed_[1].base : current_->header().base;
    if (end > lsn) break;
    taken.push_back(sealed_.front().sequence);
    sealed_.pop_front();
  }
  return taken;
}

// Its new name is durable: under the old one it would be a segment that ends too soon.
Segments::Spare Segments::cut(const Path& path, std::uint64_t most) {
  const std::unique_ptr<File> file = files_.open(path, OpenMode::kReadWrite);
  const std::uint64_t bytes = file->size();
  if (bytes <= most) return {path, bytes};
  file->truncate(most);
  return {path, most};
}

// What an earlier process left, or anybody put there. What cannot go is passed over.
void Segments::remove_spares() {
  for (const std::string& name : files_.list(folder_)) {
    if (!is_spare_name(name)) continue;
    try {
      files_.remove(folder_ / name);
    } catch (const IoError&) {
      continue;
    }
  }
}

// False when its name is taken by what cannot be replaced.
bool Segments::rename_to_spare(const Path& path, const Path& spare) {
  try {
    files_.rename(path, spare);
    return true;
  } catch (const IoError&) {
    return false;
  }
}

std::optional<Path> Segments::take_spare() {
  const std::lock_guard lock(mutex_);
  while (!spares_.empty()) {
    Path spare = std::move(spares_.back().path);
    spares_.pop_back();
    if (files_.exists(spare)) return spare;
  }
  return std::nullopt;
}

std::size_t Segments::count() const {
  const std::lock_guard lock(mutex_);
  return sealed_.size() + 1;
}

void Segments::abandon() noexcept {
  if (Segment* segment = open_.load(std::memory_order_acquire)) segment->abandon();
}

}  // namespace engram::wal
