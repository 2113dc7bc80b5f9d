// The manifest: what a store is (dimension, metric, hash seed: fixed when it is created), which checkpoint is
// the live one, and which segments the warm and the cold tier have.
//
// Thread-safety: none needed; used while a store is opened, under its lock.
//
// Invariants: written atomically, so a folder has a whole manifest or none; a folder with none and nothing
// foreign in it is a creation that was cut short, and is created again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "hnsw/metric.h"
#include "tier/types.h"

namespace engram::engine {

inline constexpr std::uint32_t kFormatVersion = 2;

struct SegmentName {
  std::uint64_t number = 0;  // never given twice
  tier::Kind kind = tier::Kind::kWarm;
  friend bool operator==(const SegmentName&, const SegmentName&) = default;
};

struct Manifest {
  std::uint32_t dim = 0;
  hnsw::Metric metric = hnsw::Metric::kCosine;
  std::uint64_t hash_seed = 0;
  std::uint64_t generation = 0;      // of the live checkpoint, which its file names carry; 0: none yet
  std::uint64_t checkpoint_lsn = 0;  // everything below is in it
  std::uint64_t next_segment = 1;
  std::uint64_t segments_lsn = 0;       // the key of every memory in a segment is below
  std::uint64_t tombstones = 0;         // generation of the file of dead rows; 0: none, no segments
  std::vector<SegmentName> segments{};  // ascending by number
};

Path manifest_path(const Path& folder);
Path lock_path(const Path& folder);
Path log_path(const Path& folder);
// There while a repair has begun to exchange the store's files and is not done: the new manifest, last to
// move.
Path half_repaired_path(const Path& folder);
Path graph_path(const Path& folder, std::uint64_t generation);
Path rows_path(const Path& folder, std::uint64_t generation);
Path segment_path(const Path& folder, const SegmentName& segment);

// The folder's manifest; nothing when there is none.
// Errors: CorruptionError, UnsupportedFormat (a newer version).
std::optional<Manifest> read_manifest(FileSystem& files, const Path& folder);

void write_manifest(FileSystem& files, const Path& folder, const Manifest& manifest);

// Whether a file of this name is written only once the manifest stands.
bool proves_a_store(std::string_view name);

// Throws CorruptionError: `folder` has no manifest, though `proof` shows that it was once complete.
[[noreturn]] void refuse_lost_manifest(const Path& folder, const std::string& proof);

// Throws InvalidInput unless `folder` is empty or holds only what a creation that was cut short leaves, and
// CorruptionError when it is a store that has lost its manifest.
void check_creatable(FileSystem& files, const Path& folder);

}  // namespace engram::engine
