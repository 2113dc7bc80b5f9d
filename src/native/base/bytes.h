// Little-endian encoding of fixed-width numbers and length-prefixed strings into byte buffers.
//
// Thread-safety: values; no shared state.
//
// Invariants: a ByteReader never reads past its span: a read that would sets ok() to false and yields zeros,
// so a decoder may read a whole structure and test ok() once at its end.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace engram {

static_assert(std::endian::native == std::endian::little,
              "Engram's files are little-endian, as its machines are");

template <class T>
  requires std::is_arithmetic_v<T>
void store_le(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <class T>
  requires std::is_arithmetic_v<T>
T load_le(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  template <class T>
    requires std::is_arithmetic_v<T>
  void put(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof value);
    store_le(out_.data() + at, value);
  }
  void put_bytes(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void put_text(std::string_view text) { put_bytes(std::as_bytes(std::span(text.data(), text.size()))); }
  void pad_to(std::size_t alignment) { out_.resize((out_.size() + alignment - 1) / alignment * alignment); }

 private:
  std::vector<std::byte>& out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
    requires std::is_arithmetic_v<T>
  T get() {
    const std::span<const std::byte> raw = get_bytes(sizeof(T));
    return ok_ ? load_le<T>(raw.data()) : T{};
  }
  std::span<const std::byte> get_bytes(std::size_t size) {
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    at_ += size;
    return bytes_.subspan(at_ - size, size);
  }
  std::string_view get_text(std::size_t size) {
    const std::span<const std::byte> raw = get_bytes(size);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  std::size_t position() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }
  bool ok() const { return ok_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace engram
