// What Cython has no words for: spans, function pointers inside structures, and the log's callbacks.
//
// Thread-safety: none needed; the benchmarks call it from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/file.h"
#include "simd/kernels.h"
#include "wal/format.h"
#include "wal/log.h"
#include "wal/ring.h"

namespace engram::bench {

inline double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline std::size_t kernel_count() {
  return simd::available().size();
}
inline const simd::Kernels* kernels(std::size_t at) {
  return simd::available()[at];
}

inline std::uint32_t crc(const unsigned char* bytes, std::size_t size) {
  return crc32c(0, std::span(reinterpret_cast<const std::byte*>(bytes), size));
}

inline void prefetch(const unsigned char* at, std::size_t bytes) {
  for (std::size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(at + offset);
}

// Reads everything once, with eight sums so that the additions do not wait for each other.
inline std::uint64_t read_all(const std::uint64_t* words, std::size_t count) {
  std::uint64_t sums[8] = {};
  for (std::size_t at = 0; at + 8 <= count; at += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += words[at + lane];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

// One writer of the ring who is also its leader: reserve, copy, publish; every 64 records take and release.
class RingUser {
 public:
  RingUser() : ring_(std::size_t{16} << 20) {}

  void append(const unsigned char* payload, std::uint32_t length) {
    const wal::Ring::Place place = ring_.reserve(wal::record_bytes(length));
    std::memset(place.bytes, 0, 8);
    std::memcpy(place.bytes + 4, &length, sizeof length);
    std::memcpy(place.bytes + wal::kRecordHeaderBytes, payload, length);
    ring_.publish(place);
    if (++waiting_ == 64) drain();
  }
  void drain() {
    if (waiting_ == 0) return;
    taken_ += ring_.take().bytes;
    ring_.release();
    waiting_ = 0;
  }
  std::uint64_t taken() const { return taken_; }

 private:
  wal::Ring ring_;
  std::size_t waiting_ = 0;
  std::uint64_t taken_ = 0;
};

class LogUser {
 public:
  LogUser(const std::string& folder, int sync)
      : sync_(sync == 0 ? wal::Sync::kAlways : wal::Sync::kNever),
        log_(wal::Log::open(
            FileSystem::system(), folder, wal::Options{}, 0, [](const wal::Record&) {},
            [](std::span<const wal::Record>) {})) {}
  void append(const unsigned char* payload, std::size_t length) {
    log_->append(Bytes(reinterpret_cast<const std::byte*>(payload), length), sync_, 0);
  }

 private:
  wal::Sync sync_;
  std::unique_ptr<wal::Log> log_;
};

class PageReader {
 public:
  explicit PageReader(const std::string& path)
      : file_(FileSystem::system().open(path, OpenMode::kRead)), page_(4096) {}
  std::size_t read(std::uint64_t page) { return file_->read_at(page * page_.size(), page_); }

 private:
  std::unique_ptr<File> file_;
  std::vector<std::byte> page_;
};

}  // namespace engram::bench
