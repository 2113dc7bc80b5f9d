// The log over a system that interrupts its calls and does them by halves: signals and short transfers change
// nothing but how often it is called.
//
// This file's definitions of the system's calls take the place of the C library's in this program, and pass
// on to it unless a test asks for more.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "wal/log_testing.h"

#if defined(__linux__)
namespace engram::wal {
namespace {

enum class Trouble { kNone, kInterrupted, kShort, kSyncInterrupted };

std::atomic<Trouble> trouble{Trouble::kNone};
std::atomic<int> first{0};          // calls until the first that has trouble
std::atomic<bool> repeated{false};  // from then on every second one has it
std::atomic<int> met{0};

// Whether this call is to meet `kind`.
bool meets(Trouble kind) {
  if (trouble.load() != kind) return false;
  const int left = first.fetch_sub(1);
  const bool now = left == 1 || (repeated.load() && left <= 1 && left % 2 != 0);
  met += now;
  return now;
}

bool is_interrupted() {
  if (!meets(Trouble::kInterrupted)) return false;
  errno = EINTR;
  return true;
}

// The C library's function of that name.
template <class Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace
}  // namespace engram::wal

extern "C" ssize_t pread(int file, void* to, std::size_t size, off_t at) {
  static auto* const real = engram::wal::original<ssize_t(int, void*, std::size_t, off_t)>("pread");
  if (engram::wal::is_interrupted()) return -1;
  if (size > 1 && engram::wal::meets(engram::wal::Trouble::kShort)) size = (size + 1) / 2;
  return real(file, to, size, at);
}

extern "C" ssize_t pwritev(int file, const iovec* parts, int count, off_t at) {
  static auto* const real = engram::wal::original<ssize_t(int, const iovec*, int, off_t)>("pwritev");
  if (engram::wal::is_interrupted()) return -1;
  if (count > 0 && parts[0].iov_len > 1 && engram::wal::meets(engram::wal::Trouble::kShort)) {
    const iovec half{parts[0].iov_base, (parts[0].iov_len + 1) / 2};
    return real(file, &half, 1, at);
  }
  return real(file, parts, count, at);
}

extern "C" int ftruncate(int file, off_t size) noexcept {
  static auto* const real = engram::wal::original<int(int, off_t)>("ftruncate");
  return engram::wal::is_interrupted() ? -1 : real(file, size);
}

extern "C" int posix_fallocate(int file, off_t at, off_t size) {
  static auto* const real = engram::wal::original<int(int, off_t, off_t)>("posix_fallocate");
  return engram::wal::is_interrupted() ? EINTR : real(file, at, size);
}

extern "C" int fdatasync(int file) {
  static auto* const real = engram::wal::original<int(int)>("fdatasync");
  if (engram::wal::meets(engram::wal::Trouble::kSyncInterrupted)) {
    errno = EINTR;
    return -1;
  }
  return real(file);
}

namespace engram::wal {
namespace {

class Interrupted : public testing::Test {
 protected:
  Interrupted() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
  ~Interrupted() override {
    trouble = Trouble::kNone;
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<Log> open(Sync sync, Texts* replayed = nullptr) {
    return Log::open(
        FileSystem::system(), folder_ / "wal", small_segments(sync), 0,
        [replayed](const Record& record) {
          if (replayed) replayed->push_back(text_of(record.payload));
        },
        [](std::span<const Record>) {});
  }

  // Two lives of some segments each; whether a call met the trouble.
  bool live_with(Trouble kind, int call, bool for_good) {
    std::filesystem::remove_all(folder_ / "wal");
    trouble = kind;
    first = call;
    repeated = for_good;
    met = 0;
    std::mt19937_64 random(11);
    for (int life = 0; life < 2; ++life) {
      const std::unique_ptr<Log> log = open(Sync::kNever);
      for (int i = 0; i < 8; ++i) {
        issued_.push_back(some_text(random, issued_.size()));
        log->append(bytes_of(issued_.back()), std::nullopt, 0);
      }
      log->close();
    }
    Texts read;
    open(Sync::kNever, &read);
    trouble = Trouble::kNone;
    EXPECT_EQ(read, issued_);
    issued_.clear();
    return met > 0;
  }

  const Path folder_ = Path(testing::TempDir()) / ("interrupted-" + std::to_string(::getpid()));
  Texts issued_;
};

TEST_F(Interrupted, AnyCallMayBeInterruptedOrTransferLessThanAsked) {
  for (const Trouble kind : {Trouble::kInterrupted, Trouble::kShort}) {
    for (const bool for_good : {false, true}) {
      int call = 1;
      for (; live_with(kind, call, for_good); ++call) {
        SCOPED_TRACE("call " + std::to_string(call));
        if (HasFailure()) return;
      }
      EXPECT_GT(call, 30);
    }
  }
}

TEST_F(Interrupted, AnInterruptedSyncIsAFailedOneAndIsNotRepeated) {
  const std::unique_ptr<Log> log = open(Sync::kAlways);
  log->append(bytes_of("safe"), std::nullopt, 0);
  const Lsn synced = log->synced_lsn();
  first = 1;
  repeated = false;
  trouble = Trouble::kSyncInterrupted;
  EXPECT_THROW(log->append(bytes_of("not known to be safe"), std::nullopt, 0), DurabilityError);
  EXPECT_EQ(log->synced_lsn(), synced);
  EXPECT_TRUE(log->failed());
}

}  // namespace
}  // namespace engram::wal
#endif
