#include "tier/live_rows.h"

#include <bit>
#include <mutex>

namespace engram::tier {

LiveRows::LiveRows(std::size_t rows, Begin begin)
    : rows_(rows), words_(std::make_unique<std::atomic<std::uint64_t>[]>((rows + 63) / 64)) {
  if (begin == Begin::kAlive) return;
  for (std::size_t row = 0; row < rows; row += 64) {
    const std::size_t left = rows - row;
    word(static_cast<Row>(row)) = left < 64 ? (std::uint64_t{1} << left) - 1 : ~std::uint64_t{0};
  }
  dead_ = rows;
}

bool LiveRows::counted(Row row, std::uint64_t snapshot) const {
  if (recent_count_.load(std::memory_order_acquire) == 0) return false;
  const std::shared_lock lock(mutex_);
  const auto died = recent_.find(row);
  return died != recent_.end() && snapshot < died->second;
}

bool LiveRows::kill(Row row, std::uint64_t dead_at) {
  const std::lock_guard lock(mutex_);
  if (dead(row)) return false;
  recent_.emplace(row, dead_at);
  recent_count_.store(recent_.size(), std::memory_order_release);
  word(row).fetch_or(bit(row), std::memory_order_release);
  dead_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool LiveRows::bury(Row row) {
  const std::lock_guard lock(mutex_);
  const bool died = (word(row).fetch_or(bit(row), std::memory_order_release) & bit(row)) == 0;
  if (died) dead_.fetch_add(1, std::memory_order_relaxed);
  recent_.erase(row);
  recent_count_.store(recent_.size(), std::memory_order_release);
  return died;
}

void LiveRows::revive(Row row) {
  const std::lock_guard lock(mutex_);
  word(row).fetch_and(~bit(row), std::memory_order_release);
  dead_.fetch_sub(1, std::memory_order_relaxed);
}

void LiveRows::settle(std::uint64_t oldest) {
  if (recent_count_.load(std::memory_order_acquire) == 0) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(recent_, [&](const auto& died) { return died.second <= oldest; });
  recent_count_.store(recent_.size(), std::memory_order_release);
}

std::vector<std::byte> LiveRows::dead_bits(std::uint64_t snapshot) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::byte> bits((rows_ + 7) / 8);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    bits[i] = static_cast<std::byte>(words_[i / 8].load(std::memory_order_acquire) >> (i % 8 * 8));
  }
  for (const auto& [row, dead_at] : recent_) {
    if (snapshot < dead_at) bits[row / 8] &= ~(std::byte{1} << (row % 8));
  }
  return bits;
}

bool LiveRows::bury_bits(std::span<const std::byte> bits) {
  if (bits.size() != (rows_ + 7) / 8) return false;
  if (rows_ % 8 != 0 && (bits.back() >> (rows_ % 8)) != std::byte{0}) return false;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    for (auto left = std::to_integer<unsigned>(bits[i]); left != 0; left &= left - 1) {
      bury(static_cast<Row>(i * 8 + static_cast<std::size_t>(std::countr_zero(left))));
    }
  }
  return true;
}

std::size_t LiveRows::memory_bytes() const {
  constexpr std::size_t kNode = sizeof(std::pair<const Row, std::uint64_t>) + 2 * sizeof(void*);
  return sizeof *this + (rows_ + 63) / 64 * 8 + recent_count_.load(std::memory_order_relaxed) * kNode;
}

}  // namespace engram::tier
