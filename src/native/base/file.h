// The file layer: the one place that calls the operating system, so that faults can be injected there.
//
// Thread-safety: a FileSystem may be used from any thread. A File may be used from any thread; what
// overlapping writes leave is up to the caller.
//
// Invariants:
//  (1) Every call either does all it says or throws IoError; EINTR and short transfers are continued inside,
//      but a failed sync is never repeated (the kernel may have dropped the pages it could not write).
//  (2) A File and a Mapping close what they hold when destroyed.
//  (3) A File is a regular file. What lies in its place (a pipe, a socket, a device, a folder) is a
//      CorruptionError that names it: opening it never waits, and nothing is read from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace engram {

using Path = std::filesystem::path;
using Bytes = std::span<const std::byte>;

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // must not exist
  kOpenOrCreate,
};
enum class LockMode { kShared, kExclusive };

// What is going to be done with a part of a file. Hints: a system that does not take them does without.
enum class Advice {
  kRandom,    // reads will be small and anywhere: read nothing ahead
  kWillNeed,  // will be read soon: begin now, without waiting
  kDontNeed,  // drop what is cached of it
};

// A read-only view of a whole file; stays valid until destroyed, whatever becomes of the File.
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual Bytes bytes() const = 0;
  // The pages of [offset, offset + size) will be touched one here, one there.
  virtual void expect_random(std::uint64_t /*offset*/, std::uint64_t /*size*/) const noexcept {}
};

class File {
 public:
  virtual ~File() = default;
  // Reads into `out` from `offset`; returns fewer bytes than asked only at the end of the file.
  virtual std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  // Writes the parts one after another from `offset` on, in one system call where the system takes it.
  virtual void write_at(std::uint64_t offset, std::span<const Bytes> parts) = 0;
  virtual void sync_data() = 0;  // fdatasync
  virtual std::uint64_t size() const = 0;
  // False once no name leads to it any more: what is written to it is gone with its last user.
  virtual bool is_named() const = 0;
  // Whether `path` leads to this very file, and not to none or another one by now.
  virtual bool is_at(const Path& path) const = 0;
  virtual void truncate(std::uint64_t size) = 0;
  // Reserves blocks for [offset, offset + size) and extends the file to hold them, reading as zeros.
  virtual void allocate(std::uint64_t offset, std::uint64_t size) = 0;
  virtual std::unique_ptr<Mapping> map() const = 0;
  // Puts this part of the file, to be written, in place of what is mapped at `where`; it goes when that is
  // unmapped. Whole pages, for which blocks are allocated: without, writing to them could end the process.
  virtual void map_over(std::byte* where, std::uint64_t offset, std::size_t size) = 0;
  // For the `size` bytes from `offset` on; size 0: up to the end.
  virtual void advise(std::uint64_t /*offset*/, std::uint64_t /*size*/, Advice /*advice*/) const noexcept {}
  // flock: false when another process (or another open of the same file) holds it otherwise.
  virtual bool try_lock(LockMode mode) = 0;
  // For the child side of a fork alone: closes the descriptor without touching what it stands for.
  virtual void abandon() noexcept = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual std::unique_ptr<File> open(const Path& path, OpenMode mode) = 0;
  virtual void rename(const Path& from, const Path& to) = 0;
  virtual void remove(const Path& path) = 0;
  virtual void make_folder(const Path& path) = 0;  // one level; no error when it is there
  virtual void sync_folder(const Path& path) = 0;  // makes creations, renames and removals in it durable
  virtual bool exists(const Path& path) = 0;
  virtual std::vector<std::string> list(const Path& folder) = 0;  // names, sorted, without . and ..
  static FileSystem& system();                                    // the operating system's own
};

// Removes `path` if it can.
void discard(FileSystem& files, const Path& path) noexcept;

// Replaces `path` by what `write` writes so that a crash leaves the old file or the new one whole: written
// to `beside`, synced, renamed, folder synced. `write` gets the open temporary file; what it throws is passed
// on.
template <class Write>
void write_atomically(FileSystem& files, const Path& path, Write&& write, const Path& beside) {
  if (files.exists(beside)) files.remove(beside);
  try {
    std::unique_ptr<File> file = files.open(beside, OpenMode::kCreate);
    write(*file);
    file->sync_data();
    file.reset();
    files.rename(beside, path);
  } catch (...) {
    discard(files, beside);  // what may be missing is room
    throw;
  }
  files.sync_folder(path.has_parent_path() ? path.parent_path() : Path("."));
}

// The same beside as `path`.tmp: for files that nobody else writes.
template <class Write>
void write_atomically(FileSystem& files, const Path& path, Write&& write) {
  Path beside = path;
  beside += ".tmp";
  write_atomically(files, path, std::forward<Write>(write), beside);
}

}  // namespace engram
