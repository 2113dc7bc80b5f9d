#include "tier/page_cache.h"

#include <utility>

namespace engram::tier {
namespace {

// What an entry takes beside its bytes, about.
constexpr std::size_t kOverhead = 160;

std::size_t cost(const PageCache::Block& block) {
  return block->size() + kOverhead;
}

}  // namespace

std::size_t PageCache::Hash::operator()(const Key& key) const {
  std::uint64_t x = key.owner * 0x9E3779B97F4A7C15U + key.extent;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

PageCache::PageCache(std::size_t budget_bytes) : budget_(budget_bytes) {}

PageCache::Block PageCache::find(Owner owner, std::uint64_t extent) {
  const Key key{owner, extent};
  Shard& shard = this->shard(key);
  const std::lock_guard lock(shard.mutex);
  const auto place = shard.places.find(key);
  if (place == shard.places.end()) {
    ++shard.misses;
    return nullptr;
  }
  ++shard.hits;
  Entry& entry = shard.entries[place->second];
  entry.asked = true;
  return entry.block;
}

void PageCache::put(Owner owner, std::uint64_t extent, Block block) {
  const Key key{owner, extent};
  const std::size_t share = budget_ / kShards;
  if (cost(block) > share) return;
  Shard& shard = this->shard(key);
  const std::lock_guard lock(shard.mutex);
  if (const auto there = shard.places.find(key); there != shard.places.end()) shard.remove(there->second);
  shard.make_room(share - cost(block));
  shard.bytes += cost(block);
  shard.places.emplace(key, shard.entries.size());
  shard.entries.push_back({key, std::move(block)});
}

void PageCache::drop(Owner owner) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (std::size_t i = shard.entries.size(); i-- > 0;) {
      if (shard.entries[i].key.owner == owner) shard.remove(i);
    }
  }
}

PageCache::Counters PageCache::counters() const {
  Counters all;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    all.hits += shard.hits;
    all.misses += shard.misses;
    all.evictions += shard.evictions;
    all.bytes += shard.bytes;
    all.blocks += shard.entries.size();
  }
  return all;
}

// The last entry takes its place.
void PageCache::Shard::remove(std::size_t place) {
  bytes -= cost(entries[place].block);
  places.erase(entries[place].key);
  if (place + 1 != entries.size()) {
    entries[place] = std::move(entries.back());
    places[entries[place].key] = place;
  }
  entries.pop_back();
}

void PageCache::Shard::make_room(std::size_t budget) {
  while (bytes > budget) {
    if (hand >= entries.size()) hand = 0;
    if (std::exchange(entries[hand].asked, false)) {
      ++hand;
    } else {
      remove(hand);
      ++evictions;
    }
  }
}

}  // namespace engram::tier
