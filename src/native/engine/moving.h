// Moving memories between tiers, and rewriting segments: what is asked for, what is reported, and what is
// carried from one step to the next.
//
// Thread-safety: values.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/system_vector.h"
#include "engine/tiers.h"

namespace engram::engine {

// Every memory that is indexed, as parallel columns in no order.
struct TierTable {
  SystemVector<std::uint64_t> keys;
  SystemVector<std::uint8_t> tiers;   // as Tier
  SystemVector<float> activations;    // as of the call
  SystemVector<float> idle;           // seconds since it was stored, recalled or got
  SystemVector<std::uint32_t> bytes;  // about what it takes in its tier: in RAM in the hot tier, else on disk
};

struct MoveOptions {
  std::uint64_t catalog_lsn = 0;          // what is in the catalog, durably: only keys below it may move
  double bytes_per_second = kUnlimited;   // of what is written
  std::function<void()> on_wait = [] {};  // called now and then without a lock; may throw to give up

  static constexpr double kUnlimited = 1e18;
};

struct MoveReport {
  // moved[from][to]
  std::array<std::array<std::uint64_t, kTiers>, kTiers> moved{};
  std::uint64_t stayed = 0;   // there already, pending, not in the catalog yet, or changed meanwhile
  std::uint64_t unknown = 0;  // no current memory has that key
  std::uint64_t bytes = 0;    // written
  double seconds = 0;
};

struct CompactReport {
  std::uint64_t rewritten = 0;  // segments that went
  std::uint64_t segments = 0;   // that took their place
  std::uint64_t rows = 0;       // carried over
  std::uint64_t dropped = 0;    // dead rows that are gone
  std::uint64_t bytes = 0;      // written
  double seconds = 0;
};

// A segment that was sealed and is shown row by row, and where each of its rows lay until then.
struct Arrival {
  std::shared_ptr<TierSegment> segment;
  SystemVector<Place> from;  // by row
};

// A memory on its way up into the graph.
struct Promotion {
  Place from;
  Tier tier;
  std::uint64_t key;
  std::uint64_t hash;
  std::string id;
  double confidence;
  std::vector<float> vector;
};

}  // namespace engram::engine
