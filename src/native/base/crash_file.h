// A file system that kills its own process at a chosen call, for tests that need a real process to die at
// every step: ENGRAM_CRASH_AT=name:n dies at the n-th call of that name (create, write, sync, truncate,
// allocate, rename, remove, make_folder, sync_folder, or any) before it takes effect, a write after half its
// bytes.
//
// Thread-safety: as the file system it wraps.
//
// Invariants: without the variable the wrapped file system is used itself, at no cost.
#pragma once

#include <memory>

#include "base/file.h"

namespace engram {

// `files`, wrapped when ENGRAM_CRASH_AT asks for it. A value that is no name:n ends the process with a
// message.
FileSystem& dying_where_asked(FileSystem& files);

}  // namespace engram
