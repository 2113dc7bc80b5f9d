// The file `activation`: how alive each memory was when it was written, by key. docs/format-store.md gives
// the bytes. It may be older than the store, or missing: what it does not know begins anew.
//
// Thread-safety: none needed; one thread writes or reads a file.
//
// Invariants: a file that is damaged reads as one that is missing; pairs are ascending by key.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/file.h"
#include "base/system_vector.h"
#include "engine/activation.h"

namespace engram::engine {

struct KeyActivation {
  std::uint64_t key;
  std::uint64_t bits;
};

Path activation_path(const Path& folder);

// Sorts `all` by key and writes it.
void write_activations(FileSystem& files, const Path& path, SystemVector<KeyActivation>& all);

// The file, mapped.
class ActivationFile {
 public:
  ActivationFile(FileSystem& files, const Path& path);
  std::optional<Activation> find(std::uint64_t key) const;
  bool empty() const { return pairs_.empty(); }

 private:
  std::unique_ptr<Mapping> mapping_;
  std::span<const KeyActivation> pairs_;
};

}  // namespace engram::engine
