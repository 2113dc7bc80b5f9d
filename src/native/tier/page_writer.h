// Writes a segment file from its beginning to its end, keeping the checksum of every page.
//
// Thread-safety: none needed; one thread writes a file.
//
// Invariants: the header is written last, so that a file left unfinished is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/file.h"
#include "tier/format.h"

namespace engram::tier {

class PageWriter {
 public:
  // `written(bytes)` is called after each write.
  PageWriter(File& file, std::function<void(std::uint64_t)> written);

  void begin(format::Section section);  // pads the last one up to a page
  void put(Bytes bytes);
  template <class T>
  void put_value(const T& value) {
    put(std::as_bytes(std::span(&value, 1)));
  }
  void pad_to_page();

  // Writes checksums and header; `header` gets the sections' places. Does not sync.
  void finish(format::Header& header);

 private:
  std::uint64_t at() const { return flushed_ + buffer_.size(); }
  void end_section();
  void flush();

  File& file_;
  std::function<void(std::uint64_t)> written_;
  std::vector<std::byte> buffer_;
  std::uint64_t flushed_ = format::kPage;
  std::vector<std::uint32_t> sums_{0};  // the header's is known at last
  std::array<format::Extent, format::kSections> sections_{};
  std::size_t current_ = format::kSections;
};

}  // namespace engram::tier
