// How fast the log is beside what the disk gives: bare overwrites of blocks that were written before, each
// with its fdatasync, one after another (for batches: bare appends). The two take turns in short slices, so
// that what else goes on in the machine strikes both. Prints one line of JSON a round.
//
//   wal_bench FOLDER [ROUNDS]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "wal/format.h"
#include "wal/log.h"

namespace engram::wal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPayload = 576;  // a vector of 128 floats, an id, some text
constexpr int kThreads = 16;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A file to write in pieces of `size`, each synced.
class Bare {
 public:
  Bare(const Path& path, std::size_t size, bool overwrite, int count)
      : path_(path), bytes_(size, std::byte{7}), file_(FileSystem::system().open(path, OpenMode::kCreate)) {
    if (!overwrite) return;
    const std::vector<std::byte> zeros(size * static_cast<std::size_t>(count));
    file_->write_at(0, std::array<Bytes, 1>{zeros});
    file_->sync_data();
  }
  ~Bare() { FileSystem::system().remove(path_); }

  double run(int count) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < count; ++i, at_ += bytes_.size()) {
      file_->write_at(at_, std::array<Bytes, 1>{bytes_});
      file_->sync_data();
    }
    return seconds_since(begin);
  }

 private:
  Path path_;
  std::vector<std::byte> bytes_;
  std::unique_ptr<File> file_;
  std::uint64_t at_ = 0;
};

class Writers {
 public:
  Writers(const Path& path, Sync sync, std::size_t size) : path_(path), payload_(size, std::byte{7}) {
    std::filesystem::remove_all(path);
    Options options;
    options.sync = sync;
    log_ = Log::open(
        FileSystem::system(), path, options, 0, [](const Record&) {}, [](std::span<const Record>) {});
  }
  ~Writers() {
    log_->close();
    std::filesystem::remove_all(path_);
  }

  // Since the last call: records in a group, and how long a sync took.
  std::pair<double, double> groups() {
    const Stats before = std::exchange(last_, log_->stats());
    const auto groups = static_cast<double>(last_.groups - before.groups);
    const auto syncs = static_cast<double>(std::max<std::uint64_t>(last_.syncs - before.syncs, 1));
    return {static_cast<double>(last_.records - before.records) / groups,
            static_cast<double>(last_.sync_nanoseconds - before.sync_nanoseconds) / 1000 / syncs};
  }

  double run(int threads, int each) {
    const auto append = [&] {
      for (int i = 0; i < each; ++i) log_->append(payload_, std::nullopt, 0);
    };
    const Clock::time_point begin = Clock::now();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(append);
    append();
    for (std::thread& other : others) other.join();
    return seconds_since(begin);
  }

 private:
  Path path_;
  std::vector<std::byte> payload_;
  std::unique_ptr<Log> log_;
  Stats last_;
};

struct Case {
  int threads;
  std::size_t size;  // of a payload
  bool overwrite;
  int slices;
  int bare;  // pieces a slice
  int each;  // appends a slice and thread
};

// The log's rate and how many times the bare rate that is.
void compare(const char* name, const Path& folder, const Case& what) {
  Bare bare(folder / "bare", kGroupHeaderBytes + record_bytes(what.size), what.overwrite,
            what.bare * (what.slices + 1));
  Writers writers(folder / "wal", Sync::kAlways, what.size);
  bare.run(what.bare);
  writers.run(what.threads, what.each);
  double bare_seconds = 0;
  double log_seconds = 0;
  for (int slice = 0; slice < what.slices; ++slice) {
    bare_seconds += bare.run(what.bare);
    log_seconds += writers.run(what.threads, what.each);
  }
  const double bare_rate = what.slices * what.bare / bare_seconds;
  const double log_rate = what.slices * what.threads * what.each / log_seconds;
  const auto [records, microseconds] = writers.groups();
  std::printf(
      "\"%s\": {\"bare\": %.0f, \"log\": %.0f, \"ratio\": %.2f, \"group\": %.1f, \"sync_us\": %.0f}, ", name,
      bare_rate, log_rate, log_rate / bare_rate, records, microseconds);
}

void round(const Path& folder) {
  std::printf("{");
  compare("one", folder, {1, kPayload, true, 40, 50, 50});
  compare("sixteen", folder, {kThreads, kPayload, true, 15, 100, 200});
  compare("batches", folder, {1, 1000 * kPayload, false, 10, 4, 4});
  constexpr int kUnsynced = 200000;
  std::printf("\"never\": %.0f}\n",
              kUnsynced / Writers(folder / "wal", Sync::kNever, kPayload).run(1, kUnsynced));
  std::fflush(stdout);
}

}  // namespace
}  // namespace engram::wal

int main(int count, char** arguments) {
  if (count < 2) {
    std::fputs("usage: wal_bench FOLDER [ROUNDS]\n", stderr);
    return 2;
  }
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 5;
  for (int i = 0; i < rounds; ++i) engram::wal::round(arguments[1]);
}
