#include "engine/compaction.h"

#include <algorithm>

namespace engram::engine {
namespace {

bool much_is_dead(const SegmentSize& segment) {
  return segment.dead != 0 && segment.dead * 5 >= segment.rows;
}

std::vector<std::uint64_t> smallest_of(std::span<const SegmentSize> segments, tier::Kind kind) {
  std::vector<SegmentSize> of_kind;
  for (const SegmentSize& each : segments) {
    if (each.kind == kind) of_kind.push_back(each);
  }
  if (of_kind.size() <= kMostSegments) return {};
  std::sort(of_kind.begin(), of_kind.end(), [](const SegmentSize& a, const SegmentSize& b) {
    return a.rows - a.dead != b.rows - b.dead ? a.rows - a.dead < b.rows - b.dead : a.number < b.number;
  });
  // At least two, and on for as long as the next is no larger than those before it together: so that what a
  // row lies in about doubles each time the row is written again.
  std::vector<std::uint64_t> numbers;
  std::size_t together = 0;
  for (const SegmentSize& each : of_kind) {
    const std::size_t rows = each.rows - each.dead;
    if (numbers.size() >= 2 && rows > together) break;
    numbers.push_back(each.number);
    together += rows;
  }
  return numbers;
}

}  // namespace

std::vector<std::uint64_t> next_compaction(std::span<const SegmentSize> segments) {
  const auto dead = std::find_if(segments.begin(), segments.end(), much_is_dead);
  if (dead != segments.end()) return {dead->number};
  std::vector<std::uint64_t> numbers = smallest_of(segments, tier::Kind::kWarm);
  return numbers.empty() ? smallest_of(segments, tier::Kind::kCold) : numbers;
}

}  // namespace engram::engine
