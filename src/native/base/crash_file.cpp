#include "base/crash_file.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace engram {
namespace {

constexpr std::array<std::string_view, 10> kNames{"create",      "write",  "sync",   "truncate",
                                                  "allocate",    "rename", "remove", "make_folder",
                                                  "sync_folder", "any"};

struct Point {
  std::string_view name;
  std::uint64_t number;
};

Point parse(const char* text) {
  const std::string_view value(text);
  const std::size_t colon = std::min(value.find(':'), value.size());
  Point point{value.substr(0, colon), 0};
  const std::string_view number = value.substr(std::min(colon + 1, value.size()));
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), point.number);
  const bool known = std::find(kNames.begin(), kNames.end(), point.name) != kNames.end();
  if (!known || parsed.ec != std::errc() || point.number == 0) {
    std::fprintf(stderr, "ENGRAM_CRASH_AT is \"%s\": give the name of a call and its number, as in write:3\n",
                 text);
    std::exit(2);
  }
  return point;
}

class Countdown {
 public:
  explicit Countdown(Point point) : name_(point.name), left_(point.number) {}
  bool due(std::string_view name) {
    return (name_ == "any" || name_ == name) && left_.fetch_sub(1, std::memory_order_relaxed) == 1;
  }
  void die_if_due(std::string_view name) {
    if (due(name)) die();
  }
  [[noreturn]] static void die() {
    for (;;) ::kill(::getpid(), SIGKILL);
  }

 private:
  std::string_view name_;
  std::atomic<std::uint64_t> left_;
};

class DyingFile final : public File {
 public:
  DyingFile(std::unique_ptr<File> file, Countdown& countdown)
      : file_(std::move(file)), countdown_(countdown) {}

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_->read_at(offset, out);
  }
  void write_at(std::uint64_t offset, std::span<const Bytes> parts) override {
    if (countdown_.due("write")) {
      const std::array<Bytes, 1> half{parts.front().first((parts.front().size() + 1) / 2)};
      file_->write_at(offset, half);
      Countdown::die();
    }
    file_->write_at(offset, parts);
  }
  void sync_data() override {
    countdown_.die_if_due("sync");
    file_->sync_data();
  }
  std::uint64_t size() const override { return file_->size(); }
  bool is_named() const override { return file_->is_named(); }
  bool is_at(const Path& path) const override { return file_->is_at(path); }
  void truncate(std::uint64_t size) override {
    countdown_.die_if_due("truncate");
    file_->truncate(size);
  }
  void allocate(std::uint64_t offset, std::uint64_t size) override {
    countdown_.die_if_due("allocate");
    file_->allocate(offset, size);
  }
  std::unique_ptr<Mapping> map() const override { return file_->map(); }
  void map_over(std::byte* where, std::uint64_t offset, std::size_t size) override {
    file_->map_over(where, offset, size);
  }
  void advise(std::uint64_t offset, std::uint64_t size, Advice advice) const noexcept override {
    file_->advise(offset, size, advice);
  }
  bool try_lock(LockMode mode) override { return file_->try_lock(mode); }
  void abandon() noexcept override { file_->abandon(); }

 private:
  std::unique_ptr<File> file_;
  Countdown& countdown_;
};

class DyingFileSystem final : public FileSystem {
 public:
  DyingFileSystem(FileSystem& files, Point point) : files_(files), countdown_(point) {}

  std::unique_ptr<File> open(const Path& path, OpenMode mode) override {
    if (mode == OpenMode::kCreate || mode == OpenMode::kOpenOrCreate) countdown_.die_if_due("create");
    return std::make_unique<DyingFile>(files_.open(path, mode), countdown_);
  }
  void rename(const Path& from, const Path& to) override {
    countdown_.die_if_due("rename");
    files_.rename(from, to);
  }
  void remove(const Path& path) override {
    countdown_.die_if_due("remove");
    files_.remove(path);
  }
  void make_folder(const Path& path) override {
    countdown_.die_if_due("make_folder");
    files_.make_folder(path);
  }
  void sync_folder(const Path& path) override {
    countdown_.die_if_due("sync_folder");
    files_.sync_folder(path);
  }
  bool exists(const Path& path) override { return files_.exists(path); }
  std::vector<std::string> list(const Path& folder) override { return files_.list(folder); }

 private:
  FileSystem& files_;
  Countdown countdown_;
};

}  // namespace

FileSystem& dying_where_asked(FileSystem& files) {
  const char* const asked = std::getenv("ENGRAM_CRASH_AT");
  if (asked == nullptr) return files;
  static DyingFileSystem dying(files, parse(asked));
  return dying;
}

}  // namespace engram
