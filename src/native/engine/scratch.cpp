#include "engine/scratch.h"

#include <algorithm>
#include <array>

namespace engram::engine {
namespace {

constexpr std::size_t kBufferFloats = std::size_t{1} << 18;

}  // namespace

Scratch::Scratch(FileSystem& files, const Path& path, std::size_t dim)
    : files_(files), path_(path), dim_(dim) {}

Scratch::~Scratch() {
  if (file_ != nullptr) discard(files_, path_);
}

float* Scratch::add() {
  if (file_ == nullptr) {
    file_ = files_.open(path_, OpenMode::kCreate);
    buffer_.resize(std::max(kBufferFloats / dim_, std::size_t{1}) * dim_);
  }
  if (buffered_ == buffer_.size()) flush();
  buffered_ += dim_;
  return buffer_.data() + buffered_ - dim_;
}

void Scratch::flush() {
  const std::array<Bytes, 1> parts{std::as_bytes(std::span(buffer_).first(buffered_))};
  file_->write_at(written_, parts);
  written_ += parts[0].size();
  buffered_ = 0;
}

void Scratch::finish() {
  if (file_ == nullptr) return;
  flush();
  buffer_ = {};
  mapping_ = file_->map();
}

const float* Scratch::at(std::size_t number) const {
  return reinterpret_cast<const float*>(mapping_->bytes().data()) + number * dim_;
}

}  // namespace engram::engine
