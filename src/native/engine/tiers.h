// The segments of the warm and the cold tier that are open, and what the engine keeps in RAM beside each: its
// list of keys, which of its rows count, and how alive they are.
//
// Thread-safety: Tiers: none, Store guards it as it guards the table of ids. A TierSegment and a TierView may
// be used by any thread that holds a pointer to them.
//
// Invariants:
//  (1) A segment's index is its own for as long as a place of the table of ids names it.
//  (2) A view never changes. Its segments are in ascending order of their numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/system_vector.h"
#include "engine/activation.h"
#include "engine/ids.h"
#include "engine/manifest.h"
#include "tier/segment.h"

namespace engram::engine {

enum class Tier : std::uint8_t { kHot, kWarm, kCold };
inline constexpr std::size_t kTiers = 3;
inline constexpr const char* kTierNames[kTiers] = {"hot", "warm", "cold"};

inline Tier tier_of(tier::Kind kind) {
  return kind == tier::Kind::kWarm ? Tier::kWarm : Tier::kCold;
}

struct TierSegment {
  // Errors: CorruptionError (its columns of keys and hashes are read here).
  TierSegment(const SegmentName& name, std::unique_ptr<tier::Segment> file, tier::LiveRows::Begin begin);

  Tier tier() const { return tier_of(name.kind); }
  // Before rows are copied: keys and hashes now, the other columns as they are read. Errors: CorruptionError.
  void check_anew() const;
  // Of one row. Errors: CorruptionError, also when it is another than the row's hash says.
  std::string id(tier::Row row, const IdTable& ids) const;
  std::size_t memory_bytes() const;

  const SegmentName name;
  const std::unique_ptr<const tier::Segment> file;
  const std::span<const std::uint64_t> keys;
  const std::span<const std::uint64_t> hashes;
  const std::uint64_t youngest;  // the largest of the keys
  tier::LiveRows live;
  mutable SystemVector<SharedActivation>
      activations;          // by row, as many for as long as it lives; recalls touch them
  std::uint32_t index = 0;  // guarded as Tiers is
};

struct TierView {
  std::vector<std::shared_ptr<TierSegment>> segments;
};

class Tiers {
 public:
  TierSegment& at(Place place) const { return *by_index_[place.segment()]; }
  std::shared_ptr<TierSegment> shared(Place place) const { return by_index_[place.segment()]; }

  // What a recall that begins now looks through.
  const std::shared_ptr<const TierView>& view() const { return view_; }
  bool empty() const { return view_->segments.empty(); }

  // A segment of a higher number than all that are there; gives it an index.
  void add(const std::shared_ptr<TierSegment>& segment);
  // With no place left that names it.
  void remove(const TierSegment& segment);
  void clear();

 private:
  std::vector<std::shared_ptr<TierSegment>> by_index_;  // null: free
  std::shared_ptr<const TierView> view_ = std::make_shared<const TierView>();
};

}  // namespace engram::engine
