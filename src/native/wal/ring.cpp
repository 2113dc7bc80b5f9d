#include "wal/ring.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "wal/format.h"
#include "wal/park.h"

namespace engram::wal {
namespace {

constexpr std::uint32_t kSkip = 0x80000000;  // in the word that holds a record's length: skip so many bytes
constexpr std::size_t kSmallest = 4096;

std::uint32_t length_at(const std::byte* record) {
  return load_le<std::uint32_t>(record + 4);
}

}  // namespace

Ring::Ring(std::size_t bytes)
    : mask_(std::bit_ceil(std::max(bytes, kSmallest)) - 1),
      bytes_(std::make_unique_for_overwrite<std::byte[]>(mask_ + 1)),
      bits_(std::make_unique<std::atomic<std::uint64_t>[]>((mask_ + 1) / kAlignment / 64)) {
  run_.records.reserve(kMostRecords);
}

std::size_t Ring::used() const {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  return std::min<std::uint64_t>(tail - std::min(head, tail), capacity());
}

Ring::Place Ring::reserve(std::size_t size) {
  std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  std::uint64_t skipped;
  do {
    const std::uint64_t to_end = capacity() - (tail & mask_);
    skipped = size > to_end ? to_end : 0;
  } while (!tail_.compare_exchange_weak(tail, tail + skipped + size, std::memory_order_relaxed));
  const std::uint64_t begin = tail + skipped;
  await_space(begin + size);
  return {at(begin), begin, skipped};
}

void Ring::await_space(std::uint64_t end) {
  for (;;) {
    const std::uint32_t seen = releases_.load(std::memory_order_acquire);
    if (end <= head_.load(std::memory_order_acquire) + capacity()) return;
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    park(releases_, seen);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Ring::publish(const Place& place) {
  published_.fetch_add(1, std::memory_order_seq_cst);  // first: there are never more taken than published
  mark(place.begin);
  if (place.skipped == 0) return;
  // After the record, so that whoever sees the skip finds the record behind it.
  const std::uint64_t from = place.begin - place.skipped;
  store_le(at(from) + 4, kSkip | static_cast<std::uint32_t>(place.skipped));
  mark(from);
}

void Ring::mark(std::uint64_t position) {
  word_of(position).fetch_or(bit_of(position), std::memory_order_seq_cst);
}

std::atomic<std::uint64_t>& Ring::word_of(std::uint64_t position) const {
  return bits_[(position & mask_) / kAlignment / 64];
}

std::uint64_t Ring::bit_of(std::uint64_t position) {
  return std::uint64_t{1} << (position / kAlignment % 64);
}

bool Ring::is_published(std::uint64_t position) const {
  return (word_of(position).load(std::memory_order_seq_cst) & bit_of(position)) != 0;
}

bool Ring::ready() const {
  return is_published(next_.load(std::memory_order_seq_cst));
}

std::byte* Ring::first() {
  std::uint64_t position = next_.load(std::memory_order_relaxed);
  if (!is_published(position)) return nullptr;
  const std::uint32_t length = length_at(at(position));
  if ((length & kSkip) != 0) position += length & ~kSkip;
  return at(position);
}

const Ring::Run& Ring::take() {
  run_.records.clear();
  run_.parts = {};
  run_.bytes = 0;
  std::uint64_t position = next_.load(std::memory_order_relaxed);
  std::size_t part = 0;
  std::byte* part_begin = at(position);
  const auto close_part = [&](std::byte* end) {
    run_.parts[part] = {part_begin, end};
    run_.bytes += static_cast<std::size_t>(end - part_begin);
    if (!run_.parts[part].empty()) ++part;
  };
  while (run_.records.size() < kMostRecords && is_published(position)) {
    word_of(position).fetch_and(~bit_of(position), std::memory_order_relaxed);
    const std::uint32_t length = length_at(at(position));
    std::uint64_t after = position + (length & ~kSkip);
    if ((length & kSkip) == 0) {
      run_.records.push_back(at(position));
      after = position + record_bytes(length);
    }
    if ((after & mask_) == 0) {
      close_part(at(position) + ((length & kSkip) == 0 ? after - position : 0));
      part_begin = at(after);
    }
    position = after;
  }
  if (at(position) != part_begin) close_part(at(position));
  taken_.store(taken_.load(std::memory_order_relaxed) + run_.records.size(), std::memory_order_seq_cst);
  next_.store(position, std::memory_order_seq_cst);
  return run_;
}

void Ring::release() {
  head_.store(next_.load(std::memory_order_relaxed), std::memory_order_release);
  releases_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) unpark(releases_);
}

}  // namespace engram::wal
