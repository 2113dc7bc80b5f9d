#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <system_error>
#include <utility>

#include "base/crash_file.h"
#include "base/error.h"

namespace engram {
namespace {

[[noreturn]] void fail(int code, const char* what, const Path& path) {
  throw IoError(
      code, path.string(),
      "cannot " + std::string(what) + " " + path.string() + ": " + std::generic_category().message(code));
}

// Calls until it is not interrupted; -1 and errno as the call leaves them.
template <class Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

// A descriptor that is closed with its owner. -1: none.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { close(); }

  int get() const { return value_; }
  void close() noexcept {
    if (value_ != -1) ::close(value_);  // not repeated on EINTR: Linux has let go of it all the same
    value_ = -1;
  }

 private:
  int value_;
};

Descriptor open_descriptor(const Path& path, int flags, const char* what) {
  const int descriptor = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
  if (descriptor == -1) fail(errno, what, path);
  return Descriptor(descriptor);
}

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISDIR(mode)) return "a folder";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something else";
}

void refuse_unless_regular(mode_t mode, const Path& path) {
  if (S_ISREG(mode)) return;
  throw CorruptionError(path.string(), 0,
                        path.string() + " is " + kind_of(mode) +
                            " where a regular file belongs: move it away, and restore the file");
}

// What an open file is, or 0 when the system does not say.
mode_t mode_of(int descriptor) {
#if defined(__linux__)
  // Not fstat, for what that does to the next write: see is_named().
  struct statx status{};
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0) return status.stx_mode;
#endif
  struct stat plain{};
  return ::fstat(descriptor, &plain) == 0 ? plain.st_mode : 0;
}

// O_NONBLOCK: opening a pipe must not wait for who is at its other end. Regular files do not mind it.
Descriptor open_regular(const Path& path, int flags, const char* what) {
  flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int opened = uninterrupted([&] { return ::open(path.c_str(), flags, 0666); });
  if (opened == -1) {
    const int code = errno;
    struct stat there{};
    if (::stat(path.c_str(), &there) == 0) refuse_unless_regular(there.st_mode, path);
    fail(code, what, path);
  }
  Descriptor descriptor(opened);
  refuse_unless_regular(mode_of(opened), path);
  return descriptor;
}

int sync_descriptor(int descriptor) {
#if defined(__APPLE__)
  return ::fcntl(descriptor, F_FULLFSYNC);  // fsync alone leaves the data in the drive's cache there
#else
  return ::fdatasync(descriptor);
#endif
}

// Returns an errno value, 0 when done.
int reserve_blocks(int descriptor, std::uint64_t offset, std::uint64_t size) {
#if defined(__APPLE__)
  const std::uint64_t end = offset + size;
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return errno;
  if (static_cast<std::uint64_t>(status.st_size) >= end) return 0;
  return ::ftruncate(descriptor, static_cast<off_t>(end)) == 0 ? 0 : errno;
#else
  int code;
  do {
    code = ::posix_fallocate(descriptor, static_cast<off_t>(offset), static_cast<off_t>(size));
  } while (code == EINTR);
  return code;
#endif
}

void advise_descriptor(int descriptor, std::uint64_t offset, std::uint64_t size, Advice advice) noexcept {
#if defined(__APPLE__)
  if (advice == Advice::kRandom) ::fcntl(descriptor, F_RDAHEAD, 0);
  if (advice != Advice::kWillNeed) return;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  radvisory what{};
  what.ra_offset = static_cast<off_t>(offset);
  what.ra_count = static_cast<int>(size == 0 ? kMost : std::min(size, kMost));
  ::fcntl(descriptor, F_RDADVISE, &what);
#else
  const int how = advice == Advice::kRandom     ? POSIX_FADV_RANDOM
                  : advice == Advice::kWillNeed ? POSIX_FADV_WILLNEED
                                                : POSIX_FADV_DONTNEED;
  ::posix_fadvise(descriptor, static_cast<off_t>(offset), static_cast<off_t>(size), how);
#endif
}

bool beyond_off_t(std::uint64_t offset, std::uint64_t size) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  return offset > kMost || size > kMost - offset;
}

class PosixMapping final : public Mapping {
 public:
  PosixMapping(void* at, std::size_t size) : at_(at), size_(size) {}
  PosixMapping(const PosixMapping&) = delete;
  PosixMapping& operator=(const PosixMapping&) = delete;
  ~PosixMapping() override {
    if (size_ != 0) ::munmap(at_, size_);
  }
  Bytes bytes() const override { return {static_cast<const std::byte*>(at_), size_}; }

  void expect_random(std::uint64_t offset, std::uint64_t size) const noexcept override {
    if (offset >= size_) return;
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t begin = offset / page * page;
    const std::size_t end = offset + std::min<std::uint64_t>(size, size_ - offset);
    ::madvise(static_cast<std::byte*>(at_) + begin, end - begin, MADV_RANDOM);
  }

 private:
  void* at_;
  std::size_t size_;
};

class PosixFile final : public File {
 public:
  PosixFile(Path path, Descriptor descriptor) : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (beyond_off_t(offset, out.size())) fail(EOVERFLOW, "read", path_);
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(descriptor_.get(), out.data() + done, out.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got == -1) fail(errno, "read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  void write_at(std::uint64_t offset, std::span<const Bytes> parts) override {
    std::array<iovec, 64> vector;  // a group of the log has one part a record at most; more take another call
    while (!parts.empty()) {
      const std::size_t taken = std::min(parts.size(), vector.size());
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < taken; ++i) {
        vector[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
        bytes += parts[i].size();
      }
      write_vector(offset, std::span(vector.data(), taken), bytes);
      offset += bytes;
      parts = parts.subspan(taken);
    }
  }

  void sync_data() override {
    if (sync_descriptor(descriptor_.get()) != 0) fail(errno, "sync", path_);
  }

  std::uint64_t size() const override { return static_cast<std::uint64_t>(look_up().st_size); }

  bool is_named() const override {
#if defined(__linux__)
    // Not fstat: whoever has seen a file's times makes the next write note a finer one, and that makes the
    // sync after it slower by a third.
    struct statx status{};
    if (::statx(descriptor_.get(), "", AT_EMPTY_PATH, STATX_NLINK, &status) == 0) return status.stx_nlink > 0;
#endif
    return look_up().st_nlink > 0;
  }

  bool is_at(const Path& path) const override {
    struct stat there{};
    if (::stat(path.c_str(), &there) != 0) return false;
    const struct stat here = look_up();
    return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
  }

  void truncate(std::uint64_t size) override {
    if (beyond_off_t(size, 0)) fail(EOVERFLOW, "truncate", path_);
    const auto call = [&] { return ::ftruncate(descriptor_.get(), static_cast<off_t>(size)); };
    if (uninterrupted(call) != 0) fail(errno, "truncate", path_);
  }

  void allocate(std::uint64_t offset, std::uint64_t size) override {
    if (size == 0) return;
    if (beyond_off_t(offset, size)) fail(EOVERFLOW, "reserve room in", path_);
    if (const int code = reserve_blocks(descriptor_.get(), offset, size))
      fail(code, "reserve room in", path_);
  }

  std::unique_ptr<Mapping> map() const override {
    const auto bytes = static_cast<std::size_t>(size());
    if (bytes == 0) return std::make_unique<PosixMapping>(nullptr, 0);  // mmap refuses an empty range
    void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor_.get(), 0);
    if (at == MAP_FAILED) fail(errno, "map", path_);
    return std::make_unique<PosixMapping>(at, bytes);
  }

  void map_over(std::byte* where, std::uint64_t offset, std::size_t size) override {
    void* const at = ::mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor_.get(),
                            static_cast<off_t>(offset));
    if (at == MAP_FAILED) fail(errno, "map", path_);
  }

  void advise(std::uint64_t offset, std::uint64_t size, Advice advice) const noexcept override {
    if (!beyond_off_t(offset, size)) advise_descriptor(descriptor_.get(), offset, size, advice);
  }

  bool try_lock(LockMode mode) override {
    const int how = (mode == LockMode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    if (uninterrupted([&] { return ::flock(descriptor_.get(), how); }) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    fail(errno, "lock", path_);
  }

  void abandon() noexcept override { descriptor_.close(); }

 private:
  struct stat look_up() const {
    struct stat status{};
    if (::fstat(descriptor_.get(), &status) != 0) fail(errno, "look up", path_);
    return status;
  }

  // Writes all of `vector` (`bytes` in all), going on after a short write.
  void write_vector(std::uint64_t offset, std::span<iovec> vector, std::size_t bytes) {
    if (beyond_off_t(offset, bytes)) fail(EOVERFLOW, "write", path_);
    while (bytes > 0) {
      const ssize_t put = uninterrupted([&] {
        return ::pwritev(descriptor_.get(), vector.data(), static_cast<int>(vector.size()),
                         static_cast<off_t>(offset));
      });
      if (put == -1) fail(errno, "write", path_);
      if (put == 0) fail(EIO, "write", path_);  // never seen, but it must not become an endless loop
      auto left = static_cast<std::size_t>(put);
      offset += left;
      bytes -= left;
      while (!vector.empty() && left >= vector.front().iov_len) {
        left -= vector.front().iov_len;
        vector = vector.subspan(1);
      }
      if (left > 0) {
        vector.front().iov_base = static_cast<std::byte*>(vector.front().iov_base) + left;
        vector.front().iov_len -= left;
      }
    }
  }

  Path path_;
  Descriptor descriptor_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kOpenOrCreate:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

class PosixFileSystem final : public FileSystem {
 public:
  std::unique_ptr<File> open(const Path& path, OpenMode mode) override {
    const char* what = mode == OpenMode::kCreate ? "create" : "open";
    return std::make_unique<PosixFile>(path, open_regular(path, open_flags(mode), what));
  }

  void rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      fail(errno, ("rename to " + to.string() + " the file").c_str(), from);
  }

  void remove(const Path& path) override {
    if (std::remove(path.c_str()) != 0) fail(errno, "remove", path);
  }

  void make_folder(const Path& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) return;
    const int code = errno;
    struct stat status{};
    if (code == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return;
    fail(code, "make the folder", path);
  }

  void sync_folder(const Path& path) override {
    const Descriptor folder = open_descriptor(path, O_RDONLY | O_DIRECTORY, "open the folder");
    // EINVAL: a file system without such a call; there is nothing more one can ask of it.
    if (::fsync(folder.get()) != 0 && errno != EINVAL) fail(errno, "sync the folder", path);
  }

  bool exists(const Path& path) override {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    fail(errno, "look for", path);
  }

  std::vector<std::string> list(const Path& folder) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(folder, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) fail(error.value(), "list the folder", folder);
    std::ranges::sort(names);
    return names;
  }
};

}  // namespace

FileSystem& FileSystem::system() {
  // Never destroyed: threads may still write while the process exits.
  static auto& posix = *std::make_unique<PosixFileSystem>().release();
  static FileSystem& files = dying_where_asked(posix);
  return files;
}

void discard(FileSystem& files, const Path& path) noexcept {
  try {
    files.remove(path);
  } catch (...) {
    // It stays: whoever needs the name removes it first.
  }
}

}  // namespace engram
