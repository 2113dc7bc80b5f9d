#include "tier/cold.h"

#include <cstring>
#include <utility>

namespace engram::tier {

using format::Section;

ColdSegment::ColdSegment(std::unique_ptr<Pages> pages, PageCache& cache)
    : ColumnSegment(std::move(pages)), cache_(cache), owner_(cache.new_owner()) {
  const Pages& file = this->pages();
  const format::Extent& centroids = section(Section::kCentroids);
  file.need(centroids.offset, centroids.bytes, 64);
  directory_.centroids.assign(file.at(centroids.offset), file.at(centroids.end()));
  read_ends();
}

ColdSegment::~ColdSegment() {
  cache_.drop(owner_);
}

void ColdSegment::read_ends() {
  const format::Extent& extent = section(Section::kListEnds);
  pages().need(extent.offset, extent.bytes, 64);
  directory_.ends.resize(extent.bytes / sizeof(Row));
  std::memcpy(directory_.ends.data(), pages().at(extent.offset), extent.bytes);
  const std::size_t code = format::code_bytes(dim());
  std::uint64_t page = 0;
  Row begin = 0;
  for (const Row end : directory_.ends) {
    if (end <= begin || end > rows()) pages().corrupt(extent.offset, "a list ends before it begins");
    directory_.first_pages.push_back(static_cast<std::uint32_t>(page));
    page += format::round_up((end - begin) * code, format::kPage) / format::kPage;
    begin = end;
  }
  if (begin != rows() || page * format::kPage != section(Section::kLists).bytes) {
    pages().corrupt(extent.offset, "its lists do not hold its rows");
  }
}

Found ColdSegment::search(const Query& query, const LiveTest& counts, Hit* out) const {
  return ColdSearch(pages(), cache_, owner_, directory_, query, counts).run(out);
}

std::size_t ColdSegment::memory_bytes() const {
  return sizeof *this + pages().memory_bytes() + directory_.memory_bytes();
}

void ColdSegment::verify() const {
  verify_columns();
}

}  // namespace engram::tier
