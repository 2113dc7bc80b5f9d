#include "engine/ids.h"

#include <algorithm>
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

}  // namespace

IdTable::IdTable(std::uint64_t seed) : seed_(seed) {
  resize(kLeast);
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
  // By a fifth at a time: doubling would leave the table half empty half of the time.
  if (full(size_ + 1)) resize(count_ + count_ / 5 + 1);
  const auto none = [](Place) { return false; };
  at(locate(hash, none)) = Cell{hash, place};
  ++size_;
}

void IdTable::reserve(std::size_t ids) {
  if (full(ids)) resize(ids * 8 / 7 + 1);
}

// The cells are in the order of their hashes but for those that wrapped around the end, and so they will be:
// reading and writing both go from front to back.
void IdTable::resize(std::size_t cells) {
  hnsw::Region old = std::exchange(memory_, hnsw::Region(cells * sizeof(Cell), hnsw::kHugePage));
  const std::size_t old_count = std::exchange(count_, cells);
  const auto none = [](Place) { return false; };
  for (std::size_t i = 0; i < old_count; ++i) {
    const Cell& cell = reinterpret_cast<const Cell*>(old.data())[i];
    if (cell.used()) at(locate(cell.hash, none)) = cell;
  }
}

// Backward-shift deletion: cells behind the hole move up where their home allows, so no tombstones remain.
void IdTable::erase(Place* found) {
  auto* const bytes = reinterpret_cast<std::byte*>(found) - offsetof(Cell, place);
  auto hole = static_cast<std::size_t>(bytes - memory_.data()) / sizeof(Cell);
  for (std::size_t number = next(hole); at(number).used(); number = next(number)) {
    if (distance(home(at(number).hash), number) >= distance(hole, number)) {
      at(hole) = at(number);
      hole = number;
    }
  }
  at(hole).hash = 0;
  --size_;
}

}  // namespace engram::engine
