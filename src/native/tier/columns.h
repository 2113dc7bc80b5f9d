// What segments of both kinds hold of each row in the same way: key, hash, id, confidence, vector.
//
// Thread-safety and invariants: segment.h.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tier/pages.h"
#include "tier/segment.h"

namespace engram::tier {

class ColumnSegment : public Segment {
 public:
  explicit ColumnSegment(std::unique_ptr<Pages> pages);

  Kind kind() const override { return pages_->header().kind; }
  const Shape& shape() const override { return pages_->header().shape; }
  const Path& path() const override { return pages_->path(); }
  std::size_t rows() const override { return pages_->header().rows; }

  std::span<const std::uint64_t> keys() const override;
  std::span<const std::uint64_t> hashes() const override;
  std::string id(Row row) const override;
  std::string_view id_view(Row row) const override;
  double confidence(Row row) const override;
  void copy_vector(Row row, float* out) const override;
  const float* vector(Row row) const override;
  std::uint64_t key(Row row) const override;
  bool id_is(Row row, std::string_view id) const noexcept override;
  void doubt() const override;
  void will_need(std::span<const Row> rows) const override;

  std::uint64_t disk_bytes() const override { return pages_->header().file_bytes(); }

 protected:
  const Pages& pages() const { return *pages_; }
  const format::Extent& section(format::Section which) const { return pages_->header().section(which); }
  void verify_columns() const;

 private:
  std::span<const std::uint64_t> numbers(format::Section which, std::atomic<bool>& checked) const;
  // Where a row's element of `size` bytes lies.
  std::uint64_t place(format::Section which, Row row, std::size_t size) const {
    return section(which).offset + std::uint64_t{row} * size;
  }
  format::Tag tag(Row row) const;
  // Where the id of a tag lies in the file. Errors: CorruptionError when outside of its section.
  format::Extent id_extent(Row row, const format::Tag& tag) const;

  std::unique_ptr<Pages> pages_;
  mutable std::atomic<bool> keys_checked_{false};
  mutable std::atomic<bool> hashes_checked_{false};
};

}  // namespace engram::tier
