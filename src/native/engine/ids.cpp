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

void IdTable::grow() {
  std::vector<Cell> old = std::exchange(cells_, std::vector<Cell>(cells_.size() * 2));
  for (const Cell& cell : old) {
    if (!cell.used()) continue;
    std::size_t at = home(cell.hash);
    while (cells_[at].used()) at = (at + 1) & (cells_.size() - 1);
    cells_[at] = cell;
  }
}

// Backward-shift deletion: cells behind the hole move up where their home allows, so no tombstones remain.
void IdTable::erase(Place* found) {
  Cell* cell = reinterpret_cast<Cell*>(reinterpret_cast<std::byte*>(found) - offsetof(Cell, place));
  const std::size_t mask = cells_.size() - 1;
  auto hole = static_cast<std::size_t>(cell - cells_.data());
  for (std::size_t at = (hole + 1) & mask; cells_[at].used(); at = (at + 1) & mask) {
    if (((at - home(cells_[at].hash)) & mask) >= ((at - hole) & mask)) {
      cells_[hole] = cells_[at];
      hole = at;
    }
  }
  cells_[hole] = Cell{};
  --size_;
}

}  // namespace engram::engine
