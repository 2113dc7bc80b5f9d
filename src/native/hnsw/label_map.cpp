#include "hnsw/label_map.h"

namespace engram::hnsw {

std::uint64_t LabelMap::hash(std::uint64_t label) {
  label = (label ^ (label >> 32)) * 0xD6E8FEB86659FD93U;
  label = (label ^ (label >> 32)) * 0xD6E8FEB86659FD93U;
  return label ^ (label >> 32);
}

std::size_t LabelMap::place(const Shard& shard, std::uint64_t hash, std::uint64_t label) const {
  const std::size_t mask = shard.places.size() - 1;
  std::size_t at = hash & mask;
  while (shard.places[at] != kNoSlot && graph_.born(shard.places[at]) != label) at = (at + 1) & mask;
  return at;
}

Slot LabelMap::exchange(Slot slot) {
  const std::uint64_t label = graph_.born(slot);
  const std::uint64_t hashed = hash(label);
  Shard& mine = shard(hashed);
  const std::lock_guard lock(mine.mutex);
  if ((mine.count + 1) * 5 > mine.places.size() * 4) grow(mine);
  Slot& there = mine.places[place(mine, hashed, label)];
  const Slot before = there;
  there = slot;
  mine.count += before == kNoSlot ? 1 : 0;
  return before;
}

Slot LabelMap::find(std::int64_t label) const {
  const std::uint64_t hashed = hash(static_cast<std::uint64_t>(label));
  const Shard& mine = shard(hashed);
  const std::lock_guard lock(mine.mutex);
  return mine.places[place(mine, hashed, static_cast<std::uint64_t>(label))];
}

Slot LabelMap::erase(std::int64_t label) {
  const std::uint64_t hashed = hash(static_cast<std::uint64_t>(label));
  Shard& mine = shard(hashed);
  const std::lock_guard lock(mine.mutex);
  const std::size_t mask = mine.places.size() - 1;
  std::size_t hole = place(mine, hashed, static_cast<std::uint64_t>(label));
  const Slot slot = mine.places[hole];
  if (slot == kNoSlot) return kNoSlot;
  // Who was pushed past the hole moves up into it.
  for (std::size_t at = (hole + 1) & mask; mine.places[at] != kNoSlot; at = (at + 1) & mask) {
    const std::size_t home = hash_of(mine.places[at]) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    mine.places[hole] = mine.places[at];
    hole = at;
  }
  mine.places[hole] = kNoSlot;
  --mine.count;
  return slot;
}

std::size_t LabelMap::size() const {
  std::size_t count = 0;
  for (const Shard& each : shards_) {
    const std::lock_guard lock(each.mutex);
    count += each.count;
  }
  return count;
}

std::size_t LabelMap::memory_bytes() const {
  std::size_t bytes = 0;
  for (const Shard& each : shards_) {
    const std::lock_guard lock(each.mutex);
    bytes += each.places.size() * sizeof(Slot);
  }
  return bytes;
}

void LabelMap::grow(Shard& shard) {
  std::vector<Slot> old(shard.places.size() * 2, kNoSlot);
  old.swap(shard.places);
  const std::size_t mask = shard.places.size() - 1;
  for (const Slot slot : old) {
    if (slot == kNoSlot) continue;
    std::size_t at = hash_of(slot) & mask;
    while (shard.places[at] != kNoSlot) at = (at + 1) & mask;
    shard.places[at] = slot;
  }
}

}  // namespace engram::hnsw
