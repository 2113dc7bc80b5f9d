#include "engine/ids.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>

namespace engram::engine {
namespace {

// The two halves of a 64 x 64 bit product, folded: every input bit reaches every output bit.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Odd, with bits evenly spread: digits of pi and of e in hexadecimal.
constexpr std::uint64_t kPi = 0x243F6A8885A308D3u;
constexpr std::uint64_t kE = 0xB7E151628AED2A6Bu;

constexpr std::size_t kLeastCells = 64;
// Of 2 MiB: to write as much anew takes a few milliseconds; and a part is 16 pages, so that what its last
// page has to spare is little beside it.
constexpr std::size_t kCellsToSplit = 131'072;
constexpr unsigned kPartBits = 5;

std::size_t cells_for(std::size_t ids) {
  return std::max(ids * 8 / 7 + 1, kLeastCells);
}

}  // namespace

IdTablePart::IdTablePart(std::size_t ids, unsigned skipped_bits) : skipped_bits_(skipped_bits) {
  resize(cells_for(ids));
}

void IdTablePart::add(std::uint64_t hash, Place place) {
  // By a fifth at a time: doubling would leave the table half empty half of the time.
  if (full(size_ + 1)) resize(count_ + count_ / 5 + 1);
  const auto none = [](Place) { return false; };
  locate(hash, none) = Cell{hash, place};
  ++size_;
}

void IdTablePart::reserve(std::size_t ids) {
  if (full(ids)) resize(cells_for(ids));
}

// The cells are in the order of their hashes but for those that wrapped around the end, and so they will be:
// reading and writing both go from front to back.
void IdTablePart::resize(std::size_t cells) {
  hnsw::Region old = std::exchange(memory_, hnsw::Region(cells * sizeof(Cell), hnsw::kHugePage));
  const std::size_t old_count = std::exchange(count_, cells);
  const auto none = [](Place) { return false; };
  for (std::size_t i = 0; i < old_count; ++i) {
    const Cell& cell = reinterpret_cast<const Cell*>(old.data())[i];
    if (cell.used()) locate(cell.hash, none) = cell;
  }
}

// Backward-shift deletion: cells behind the hole move up where their home allows, so no tombstones remain.
void IdTablePart::erase(Cell* found) {
  auto hole = static_cast<std::size_t>(found - &at(0));
  for (std::size_t number = next(hole); at(number).used(); number = next(number)) {
    if (distance(home(at(number).hash), number) >= distance(hole, number)) {
      at(hole) = at(number);
      hole = number;
    }
  }
  at(hole).hash = 0;
  --size_;
}

IdTable::IdTable(std::uint64_t seed) : seed_(seed) {
  parts_.emplace_back(0, 0);
}

std::uint64_t IdTable::hash(std::string_view id) const {
  std::uint64_t h = fold(seed_ ^ kPi, id.size() ^ kE);
  const char* at = id.data();
  for (std::size_t left = id.size(); left > 0;) {
    std::uint64_t word = 0;
    const std::size_t taken = std::min(left, sizeof word);
    std::memcpy(&word, at, taken);
    h = fold(h ^ word, kE) + kPi;
    at += taken;
    left -= taken;
  }
  h = fold(h, kPi);
  return h == 0 ? 1 : h;
}

void IdTable::add(std::uint64_t hash, Place place) {
  if (bits_ == 0 && parts_[0].cells() >= kCellsToSplit) split(parts_[0].size() + 1);
  parts_[part(hash)].add(hash, place);
}

void IdTable::reserve(std::size_t ids) {
  if (bits_ == 0 && cells_for(ids) >= kCellsToSplit) split(ids);
  // Four standard deviations above the mean of what falls to a part by chance.
  const double mean = static_cast<double>(ids) / static_cast<double>(parts_.size());
  const double slack = bits_ == 0 ? 0 : 4 * std::sqrt(mean);
  for (IdTablePart& part : parts_) part.reserve(static_cast<std::size_t>(mean + slack));
}

void IdTable::split(std::size_t ids) {
  std::vector<IdTablePart> parts;
  parts.reserve(std::size_t{1} << kPartBits);
  while (parts.size() < parts.capacity()) parts.emplace_back(ids >> kPartBits, kPartBits);
  parts_[0].for_each([&](std::uint64_t hash, Place place) {
    parts[static_cast<std::size_t>(hash >> (64 - kPartBits))].add(hash, place);
  });
  parts_ = std::move(parts);
  bits_ = kPartBits;
}

void IdTable::erase(Place* found) {
  auto* const cell = reinterpret_cast<IdTablePart::Cell*>(reinterpret_cast<std::byte*>(found) -
                                                          offsetof(IdTablePart::Cell, place));
  parts_[part(cell->hash)].erase(cell);
}

std::size_t IdTable::size() const {
  std::size_t total = 0;
  for (const IdTablePart& part : parts_) total += part.size();
  return total;
}

std::size_t IdTable::memory_bytes() const {
  std::size_t total = 0;
  for (const IdTablePart& part : parts_) total += part.memory_bytes();
  return total;
}

}  // namespace engram::engine
