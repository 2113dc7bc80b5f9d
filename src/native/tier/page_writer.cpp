#include "tier/page_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"

namespace engram::tier {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

}  // namespace

PageWriter::PageWriter(File& file, std::function<void(std::uint64_t)> written)
    : file_(file), written_(std::move(written)) {
  buffer_.reserve(kBufferBytes);
}

void PageWriter::begin(format::Section section) {
  end_section();
  current_ = static_cast<std::size_t>(section);
  sections_[current_].offset = at();
}

void PageWriter::end_section() {
  if (current_ < format::kSections) sections_[current_].bytes = at() - sections_[current_].offset;
  pad_to_page();
}

void PageWriter::pad_to_page() {
  const std::size_t padding = format::round_up(at(), format::kPage) - at();
  buffer_.resize(buffer_.size() + padding);
  if (buffer_.size() == kBufferBytes) flush();
}

void PageWriter::put(Bytes bytes) {
  while (!bytes.empty()) {
    const Bytes part = bytes.first(std::min(bytes.size(), kBufferBytes - buffer_.size()));
    buffer_.insert(buffer_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (buffer_.size() == kBufferBytes) flush();
  }
}

void PageWriter::flush() {
  if (buffer_.empty()) return;
  for (std::size_t i = 0; i < buffer_.size(); i += format::kPage) {
    sums_.push_back(format::page_sum(sums_.size(), Bytes(buffer_).subspan(i, format::kPage)));
  }
  file_.write_at(flushed_, std::array<Bytes, 1>{Bytes(buffer_)});
  flushed_ += buffer_.size();
  if (written_) written_(buffer_.size());
  buffer_.clear();
}

void PageWriter::finish(format::Header& header) {
  begin(format::Section::kChecksums);
  flush();
  sections_[current_].bytes =
      format::round_up(sums_.size(), format::kSumsInPage) / format::kSumsInPage * format::kPage;
  header.sections = sections_;
  const std::vector<std::byte> first = format::encode_header(header);
  sums_[0] = format::page_sum(0, first);

  std::vector<std::byte> sums;
  ByteWriter writer(sums);
  for (std::size_t i = 0; i < sums_.size(); i += format::kSumsInPage) {
    for (std::size_t j = i; j < i + format::kSumsInPage; ++j) writer.put(j < sums_.size() ? sums_[j] : 0);
    const std::uint64_t number = flushed_ / format::kPage + i / format::kSumsInPage;
    writer.put(format::page_sum(number, Bytes(sums).last(format::kPage - 4)));
  }
  file_.write_at(flushed_, std::array<Bytes, 1>{Bytes(sums)});
  file_.write_at(0, std::array<Bytes, 1>{Bytes(first)});
  if (written_) written_(sums.size() + first.size());
}

}  // namespace engram::tier
