#include "engine/lock.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/manifest.h"

namespace engram::engine {
namespace {

std::string holder(const File& file) {
  std::array<char, 20> text{};
  const std::size_t size = file.read_at(0, std::as_writable_bytes(std::span(text)));
  const std::string_view read(text.data(), size);
  return std::string(read.substr(0, read.find_first_not_of("0123456789")));
}

// A reader makes no file: where there is none, it can only say who would.
std::unique_ptr<File> open_lock(FileSystem& files, const Path& folder, LockMode mode) {
  const Path path = lock_path(folder);
  if (mode == LockMode::kShared && !files.exists(path)) {
    throw IoError(
        ENOENT, path.string(),
        path.string() +
            " is missing: open the store for writing once, which makes it anew, or run `engram repair`");
  }
  return files.open(path, mode == LockMode::kShared ? OpenMode::kRead : OpenMode::kOpenOrCreate);
}

void write_holder(File& file) {
  const std::string pid = std::to_string(::getpid()) + "\n";
  const std::array<Bytes, 1> parts{std::as_bytes(std::span(pid))};
  file.truncate(0);
  file.write_at(0, parts);
}

}  // namespace

FolderLock::FolderLock(FileSystem& files, const Path& folder, LockMode mode)
    : file_(open_lock(files, folder, mode)) {
  if (!file_->try_lock(mode)) {
    // Whoever lets a shared lock in is a reader, and readers leave no name.
    if (mode == LockMode::kExclusive && file_->try_lock(LockMode::kShared)) {
      throw StoreLocked(folder.string() +
                        " is open for reading by another process; close it there, or use another folder");
    }
    throw StoreLocked(folder.string() + " is open for writing by process " + holder(*file_) +
                      "; one process writes at a time: stop it, or use another folder");
  }
  if (mode == LockMode::kExclusive) write_holder(*file_);
}

void FolderLock::check_place(const Path& folder) const {
  if (file_->is_at(lock_path(folder))) return;
  throw IoError(ENOENT, lock_path(folder).string(),
                folder.string() +
                    " was moved or replaced, or its lock removed, while the store was open: nothing was "
                    "written there; close the store, and open the folder where it is now");
}

}  // namespace engram::engine
