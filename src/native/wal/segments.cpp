#include "wal/segments.h"

#include <random>
#include <utility>

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
  adopt_spares();
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

void Segments::drop_below(Lsn lsn) {
  std::vector<std::uint32_t> dropped;
  {
    const std::lock_guard lock(mutex_);
    while (!sealed_.empty()) {
      const Lsn end = sealed_.size() > 1 ? sealed_[1].base : current_->header().base;
      if (end > lsn) break;
      dropped.push_back(sealed_.front().sequence);
      sealed_.pop_front();
    }
  }
  std::vector<Path> spared;
  for (const std::uint32_t sequence : dropped) {
    if (retire(sequence, spared.size())) spared.push_back(folder_ / spare_name(sequence));
  }
  if (dropped.empty()) return;
  files_.sync_folder(folder_);
  const std::lock_guard lock(mutex_);
  spares_.insert(spares_.end(), spared.begin(), spared.end());
}

// True if it became a spare, after `more` others that are not counted yet.
bool Segments::retire(std::uint32_t sequence, std::size_t more) {
  const Path path = folder_ / segment_name(sequence);
  const bool wanted = [&] {
    const std::lock_guard lock(mutex_);
    return spares_.size() + more < kMostSpares;
  }();
  if (wanted) {
    files_.rename(path, folder_ / spare_name(sequence));
  } else {
    files_.remove(path);
  }
  return wanted;
}

// Those an earlier process left: their names are as durable as can be known after one more sync.
void Segments::adopt_spares() {
  for (const std::string& name : files_.list(folder_)) {
    if (!is_spare_name(name)) continue;
    if (spares_.size() < kMostSpares) {
      spares_.push_back(folder_ / name);
    } else {
      files_.remove(folder_ / name);
    }
  }
  if (!spares_.empty()) files_.sync_folder(folder_);
}

std::optional<Path> Segments::take_spare() {
  const std::lock_guard lock(mutex_);
  while (!spares_.empty()) {
    Path spare = std::move(spares_.back());
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
