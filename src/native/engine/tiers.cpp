#include "engine/tiers.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace engram::engine {

TierSegment::TierSegment(const SegmentName& its_name, std::unique_ptr<tier::Segment> its_file,
                         tier::LiveRows::Begin begin)
    : name(its_name),
      file(std::move(its_file)),
      keys(file->keys()),
      hashes(file->hashes()),
      youngest(keys.empty() ? 0 : *std::max_element(keys.begin(), keys.end())),
      live(file->rows(), begin),
      activations(file->rows()) {}

void TierSegment::check_anew() const {
  file->doubt();
  static_cast<void>(file->keys());
  static_cast<void>(file->hashes());
}

std::string TierSegment::id(tier::Row row, const IdTable& ids) const {
  std::string id = file->id(row);
  if (ids.hash(id) == hashes[row]) return id;
  file->doubt();  // the page was right when it was first read
  id = file->id(row);
  if (ids.hash(id) == hashes[row]) return id;
  const std::string path = file->path().string();
  throw CorruptionError(path, 0,
                        path + " was damaged while the store was open: row " + std::to_string(row) +
                            " has another id than its hash says; close the store and run `engram verify`");
}

std::size_t TierSegment::memory_bytes() const {
  return sizeof *this + file->memory_bytes() + live.memory_bytes() + file->rows() * sizeof(SharedActivation);
}

void Tiers::add(const std::shared_ptr<TierSegment>& segment) {
  auto grown = std::make_shared<TierView>(*view_);
  grown->segments.push_back(segment);
  auto free = std::find(by_index_.begin(), by_index_.end(), nullptr);
  if (free == by_index_.end()) free = by_index_.insert(free, nullptr);
  *free = segment;
  segment->index = static_cast<std::uint32_t>(free - by_index_.begin());
  view_ = std::move(grown);
}

void Tiers::remove(const TierSegment& segment) {
  auto shrunk = std::make_shared<TierView>(*view_);
  std::erase_if(shrunk->segments, [&](const auto& each) { return each.get() == &segment; });
  by_index_[segment.index] = nullptr;
  view_ = std::move(shrunk);
}

void Tiers::clear() {
  by_index_.clear();
  view_ = std::make_shared<const TierView>();
}

}  // namespace engram::engine
