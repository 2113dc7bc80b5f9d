#include "tier/columns.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"

namespace engram::tier {
namespace {

using format::Section;
using format::Tag;

// Pages checked at once where all of a column will be read.
constexpr std::size_t kTogether = 64;
// Of vectors read one after another.
constexpr std::size_t kVectorsTogether = 16;

}  // namespace

ColumnSegment::ColumnSegment(std::unique_ptr<Pages> pages) : pages_(std::move(pages)) {}

std::span<const std::uint64_t> ColumnSegment::numbers(Section which, std::atomic<bool>& checked) const {
  const format::Extent& extent = section(which);
  if (!checked.load(std::memory_order_acquire)) {
    pages_->file().advise(extent.offset, extent.bytes, Advice::kWillNeed);
    pages_->need(extent.offset, extent.bytes, kTogether);
    checked.store(true, std::memory_order_release);
  }
  return {reinterpret_cast<const std::uint64_t*>(pages_->at(extent.offset)), rows()};
}

std::span<const std::uint64_t> ColumnSegment::keys() const {
  return numbers(Section::kKeys, keys_checked_);
}

std::span<const std::uint64_t> ColumnSegment::hashes() const {
  return numbers(Section::kHashes, hashes_checked_);
}

std::uint64_t ColumnSegment::key(Row row) const {
  const std::uint64_t at = place(Section::kKeys, row, sizeof(std::uint64_t));
  pages_->need(at, sizeof(std::uint64_t));
  return load_le<std::uint64_t>(pages_->at(at));
}

Tag ColumnSegment::tag(Row row) const {
  const std::uint64_t at = place(Section::kTags, row, sizeof(Tag));
  pages_->need(at, sizeof(Tag));
  Tag tag;
  std::memcpy(&tag, pages_->at(at), sizeof tag);
  return tag;
}

format::Extent ColumnSegment::id_extent(Row row, const Tag& tag) const {
  const format::Extent& ids = section(Section::kIds);
  const std::uint64_t first = tag.id >> 16;
  const std::uint64_t length = tag.id & 0xFFFF;
  if (first > ids.bytes || length > ids.bytes - first) {
    pages_->corrupt(place(Section::kTags, row, sizeof(Tag)), "an id lies outside of the ids");
  }
  return {ids.offset + first, length};
}

std::string_view ColumnSegment::id_view(Row row) const {
  const format::Extent extent = id_extent(row, tag(row));
  if (extent.bytes == 0) return {};
  pages_->need(extent.offset, extent.bytes);
  return {reinterpret_cast<const char*>(pages_->at(extent.offset)), extent.bytes};
}

std::string ColumnSegment::id(Row row) const {
  return std::string(id_view(row));
}

bool ColumnSegment::id_is(Row row, std::string_view id) const noexcept {
  try {
    if (id_view(row) == id) return true;
    doubt();  // whoever asks found its hash there
    return id_view(row) == id;
  } catch (...) {
    return true;
  }
}

double ColumnSegment::confidence(Row row) const {
  return tag(row).confidence;
}

void ColumnSegment::copy_vector(Row row, float* out) const {
  const std::size_t bytes = dim() * sizeof(float);
  const std::uint64_t at = place(Section::kVectors, row, bytes);
  pages_->need(at, bytes);
  std::memcpy(out, pages_->at(at), bytes);
}

const float* ColumnSegment::vector(Row row) const {
  const std::size_t bytes = dim() * sizeof(float);
  const std::uint64_t at = place(Section::kVectors, row, bytes);
  pages_->need(at, bytes, kVectorsTogether);
  return reinterpret_cast<const float*>(pages_->at(at));
}

void ColumnSegment::doubt() const {
  for (const Section which :
       {Section::kKeys, Section::kHashes, Section::kTags, Section::kIds, Section::kVectors}) {
    pages_->doubt(section(which).offset, section(which).bytes);
  }
  keys_checked_.store(false, std::memory_order_release);
  hashes_checked_.store(false, std::memory_order_release);
}

void ColumnSegment::will_need(std::span<const Row> rows) const {
  const File& file = pages_->file();
  for (const Row row : rows) {
    file.advise(place(Section::kTags, row, sizeof(Tag)), sizeof(Tag), Advice::kWillNeed);
    file.advise(place(Section::kKeys, row, sizeof(std::uint64_t)), sizeof(std::uint64_t), Advice::kWillNeed);
  }
  for (const Row row : rows) {
    try {
      const format::Extent extent = id_extent(row, tag(row));
      if (extent.bytes != 0) file.advise(extent.offset, extent.bytes, Advice::kWillNeed);
    } catch (const CorruptionError&) {  // whoever reads it is told
    }
  }
}

void ColumnSegment::verify_columns() const {
  if (!pages_->file().is_named()) {
    throw CorruptionError(
        path().string(), 0,
        path().string() +
            " was removed while the store was open: what it holds is gone once the store is "
            "closed; store again what this process still recalls of it");
  }
  pages_->verify();
  for (std::size_t row = 0; row < rows(); ++row) {
    const Tag tag = this->tag(static_cast<Row>(row));
    id_extent(static_cast<Row>(row), tag);
    if (!std::isfinite(tag.confidence)) {
      pages_->corrupt(place(Section::kTags, static_cast<Row>(row), sizeof(Tag)), "a confidence is no number");
    }
  }
}

}  // namespace engram::tier
