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
  start(next);
}

void Segments::start(const SegmentHeader& header) {
  SegmentHeader next = header;
  next.epoch = draw_epoch();
  std::shared_ptr<Segment> segment = Segment::create(files_, folder_, next, segment_bytes_);
  syncer_.add(segment);
  const std::lock_guard lock(mutex_);
  if (current_) sealed_.push_back(current_->header());
  current_ = std::move(segment);
  open_.store(current_.get(), std::memory_order_release);
}

Segment& Segments::room_for(std::size_t bytes, Lsn base, bool overwritten) {
  if (!current_->fits(bytes)) {
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
  const std::lock_guard lock(mutex_);
  while (!sealed_.empty()) {
    const Lsn end = sealed_.size() > 1 ? sealed_[1].base : current_->header().base;
    if (end > lsn) return;
    files_.remove(folder_ / segment_name(sealed_.front().sequence));
    sealed_.pop_front();
  }
}

std::size_t Segments::count() const {
  const std::lock_guard lock(mutex_);
  return sealed_.size() + 1;
}

void Segments::abandon() noexcept {
  if (Segment* segment = open_.load(std::memory_order_acquire)) segment->abandon();
}

}  // namespace engram::wal
