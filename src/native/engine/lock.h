// The lock on a store's folder: one process writes, or many read. Held by flock, so a killed holder frees it.
//
// Thread-safety: none; owned by one store.
//
// Invariants: the writer's process id stands in the file while it holds the lock, for the message of those it
// keeps out; what stands there means nothing once the lock is free.
#pragma once

#include <memory>

#include "base/file.h"

namespace engram::engine {

class FolderLock {
 public:
  // Errors: StoreLocked, naming the process that writes; IoError.
  FolderLock(FileSystem& files, const Path& folder, LockMode mode);
  // The folder's files are written by name: whether `folder` is still the one that is locked.
  // Errors: IoError when it was moved or replaced.
  void check_place(const Path& folder) const;
  // For the child side of a fork alone: the parent keeps the lock.
  void abandon() noexcept { file_->abandon(); }

 private:
  std::unique_ptr<File> file_;
};

}  // namespace engram::engine
