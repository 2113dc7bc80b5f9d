#include "tier/pages.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/error.h"

namespace engram::tier {
namespace {

using format::kPage;
using format::kSumsInPage;
using format::Section;

constexpr std::size_t kBulk = 256;  // pages read at once where all are

}  // namespace

Pages::Pages(FileSystem& files, const Path& path) : path_(path), file_(files.open(path, OpenMode::kRead)) {
  std::vector<std::byte> first(kPage);
  first.resize(file_->read_at(0, first));
  header_ = format::decode_header(first, file_->size(), path);
  file_->advise(0, 0, Advice::kRandom);
  mapping_ = file_->map();
  if (mapping_->bytes().size() != header_.file_bytes()) corrupt(mapping_->bytes().size(), "its size changed");
  bytes_ = mapping_->bytes().data();
  mapping_->expect_random(0, header_.file_bytes());
  checked_ = std::make_unique<std::atomic<std::uint64_t>[]>((header_.pages() + 63) / 64);
  read_sums();
}

// A damaged page of checksums leaves the pages it is of without: those are in doubt, not the others.
void Pages::read_sums() {
  const format::Extent& extent = header_.section(Section::kChecksums);
  std::vector<std::byte> bytes(extent.bytes);
  if (file_->read_at(extent.offset, bytes) != bytes.size())
    corrupt(extent.offset, "it ends within its checksums");
  sums_.resize(header_.pages());
  for (std::size_t i = 0; i * kPage < bytes.size(); ++i) {
    const Bytes page = Bytes(bytes).subspan(i * kPage, kPage);
    const std::uint32_t sum = format::page_sum(extent.offset / kPage + i, page.first(kPage - 4));
    sums_right_.push_back(sum == load_le<std::uint32_t>(page.data() + kPage - 4));
    for (std::size_t j = 0; j < kSumsInPage && i * kSumsInPage + j < sums_.size(); ++j) {
      sums_[i * kSumsInPage + j] = load_le<std::uint32_t>(page.data() + 4 * j);
    }
  }
}

bool Pages::right(std::uint64_t page, Bytes bytes) const {
  return sums_right_[page / kSumsInPage] && format::page_sum(page, bytes) == sums_[page];
}

void Pages::wrong(std::uint64_t page) const {
  if (!sums_right_[page / kSumsInPage]) {
    corrupt(header_.section(Section::kChecksums).offset + page / kSumsInPage * kPage,
            "the checksums of the page at byte " + std::to_string(page * kPage) + " are lost");
  }
  corrupt(page * kPage, "the checksum of a page differs");
}

std::size_t Pages::check(std::uint64_t page, std::size_t together) const {
  const std::uint64_t first = page / together * together;
  const std::size_t count = std::min<std::uint64_t>(together, header_.pages() - first);
  std::vector<std::byte> bytes(count * kPage);
  const std::size_t got = file_->read_at(first * kPage, bytes) / kPage;
  bool good = false;
  for (std::size_t i = 0; i < got; ++i) {
    const std::uint64_t number = first + i;
    if (!right(number, Bytes(bytes).subspan(i * kPage, kPage))) continue;
    checked_[number / 64].fetch_or(bit(number), std::memory_order_relaxed);
    good = good || number == page;
  }
  if (!good) wrong(page);
  return count;
}

void Pages::doubt(std::uint64_t offset, std::uint64_t size) const {
  const std::uint64_t first = offset / kPage;
  const std::uint64_t end = (offset + size + kPage - 1) / kPage;
  for (std::uint64_t word = first / 64; word * 64 < end;
       ++word) {  // a neighbour checked once more does no harm
    checked_[word].store(0, std::memory_order_relaxed);
  }
}

void Pages::check_read(std::uint64_t offset, Bytes pages) const {
  for (std::size_t i = 0; i < pages.size(); i += kPage) {
    if (!right((offset + i) / kPage, pages.subspan(i, kPage))) wrong((offset + i) / kPage);
  }
}

void Pages::read(std::uint64_t offset, std::span<std::byte> out) const {
  const std::size_t got = file_->read_at(offset, out);
  if (got != out.size()) corrupt(offset + got, "it ends before its size");
  check_read(offset, out);
}

void Pages::verify() const {
  std::vector<std::byte> bytes(kBulk * kPage);
  for (std::size_t page = 0; page < header_.pages(); page += kBulk) {
    const std::size_t count = std::min(kBulk, header_.pages() - page);
    read(page * kPage, std::span(bytes).first(count * kPage));
  }
  const auto lost = std::find(sums_right_.begin(), sums_right_.end(), false);
  if (lost != sums_right_.end()) wrong(static_cast<std::uint64_t>(lost - sums_right_.begin()) * kSumsInPage);
}

std::size_t Pages::memory_bytes() const {
  return sizeof *this + sums_.capacity() * sizeof(std::uint32_t) + (header_.pages() + 63) / 64 * 8;
}

}  // namespace engram::tier
