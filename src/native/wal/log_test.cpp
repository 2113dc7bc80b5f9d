#include "wal/log.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace engram::wal {
namespace {

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A folder of the real file system, gone with the test.
class LogOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "engram-log-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Path folder() const { return root_ / "wal"; }

  std::unique_ptr<Log> open(const Options& options = {}, Lsn from = 0) {
    replayed_.clear();
    return Log::open(
        FileSystem::system(), folder(), options, from,
        [this](const Record& record) { replayed_.emplace_back(record.lsn, text_of(record.payload)); },
        [this](std::span<const Record> group) {
          for (const Record& record : group) committed_.emplace_back(record.lsn, text_of(record.payload));
        });
  }

  Path root_;
  std::vector<std::pair<Lsn, std::string>> replayed_;
  std::vector<std::pair<Lsn, std::string>> committed_;
};

TEST_F(LogOnDisk, WhatWasAppendedIsReplayed) {
  std::vector<std::pair<Lsn, std::string>> appended;
  {
    const std::unique_ptr<Log> log = open();
    EXPECT_EQ(log->end_lsn(), 8u);
    for (const char* text : {"one", "", "three, a little longer", "12345678"}) {
      appended.emplace_back(log->append(bytes_of(text), std::nullopt, 0), text);
      EXPECT_GT(log->synced_lsn(), appended.back().first);
    }
    EXPECT_EQ(committed_, appended);
    EXPECT_EQ(log->stats().records, 4u);
    EXPECT_EQ(log->stats().syncs, 4u);
  }
  const std::unique_ptr<Log> log = open();
  EXPECT_EQ(replayed_, appended);
  EXPECT_EQ(log->end_lsn(), log->synced_lsn());
  EXPECT_EQ(log->append(bytes_of("five"), std::nullopt, 0), appended.back().first + 16 + 8);
}

TEST_F(LogOnDisk, ReplayBeginsWhereItIsAskedTo) {
  Lsn second = 0;
  {
    const std::unique_ptr<Log> log = open();
    log->append(bytes_of("one"), std::nullopt, 0);
    second = log->append(bytes_of("two"), std::nullopt, 0);
  }
  open({}, second);
  ASSERT_EQ(replayed_.size(), 1u);
  EXPECT_EQ(replayed_[0].second, "two");
  EXPECT_THROW(open({}, second + 4096), CorruptionError);
}

TEST_F(LogOnDisk, ReopeningWithoutAppendingLeavesOneFileMoreAtMost) {
  open()->append(bytes_of("one"), std::nullopt, 0);
  for (int i = 0; i < 20; ++i) open();
  EXPECT_LE(FileSystem::system().list(folder()).size(), 2u);
  open();
  EXPECT_EQ(replayed_.size(), 1u);
}

TEST_F(LogOnDisk, ARecordTooLargeIsRefusedByNameOfSizeAndLimit) {
  const std::unique_ptr<Log> log = open({.ring_bytes = 8192});
  const std::string large(5000, 'x');
  try {
    log->append(bytes_of(large), std::nullopt, 0);
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_NE(std::string(error.what()).find("5000"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("4080"), std::string::npos) << error.what();
  }
  log->append(bytes_of(large.substr(0, 4080)), std::nullopt, 0);
  EXPECT_EQ(committed_.size(), 1u);
}

TEST_F(LogOnDisk, AReadOnlyLogReplaysAndWritesNothing) {
  open()->append(bytes_of("one"), std::nullopt, 0);
  const std::vector<std::string> before = FileSystem::system().list(folder());
  const std::unique_ptr<Log> log = open({.read_only = true});
  EXPECT_EQ(replayed_.size(), 1u);
  EXPECT_THROW(log->append(bytes_of("two"), std::nullopt, 0), ReadOnlyStore);
  EXPECT_EQ(FileSystem::system().list(folder()), before);
}

TEST_F(LogOnDisk, AClosedLogAcceptsNothing) {
  const std::unique_ptr<Log> log = open();
  log->close();
  EXPECT_THROW(log->append(bytes_of("one"), std::nullopt, 0), StoreClosed);
}

TEST_F(LogOnDisk, EachModeSyncsWhatItPromises) {
  const std::unique_ptr<Log> log = open({.sync = Sync::kNever});
  const Lsn first = log->append(bytes_of("never"), std::nullopt, 0);
  EXPECT_LE(log->synced_lsn(), first);
  EXPECT_TRUE(log->wait_durable(first, std::nullopt));
  EXPECT_GT(log->synced_lsn(), first);
  const Lsn second = log->append(bytes_of("always"), Sync::kAlways, 0);
  EXPECT_GT(log->synced_lsn(), second);
  const Lsn third = log->append(bytes_of("interval"), Sync::kInterval, 0);
  const auto within = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (log->synced_lsn() <= third && std::chrono::steady_clock::now() < within) std::this_thread::yield();
  EXPECT_GT(log->synced_lsn(), third);
  EXPECT_THROW(log->wait_durable(log->end_lsn(), std::nullopt), InvalidInput);
}

TEST_F(LogOnDisk, DroppedSegmentsAreWrittenOverByLaterOnes) {
  Options options;
  options.segment_bytes = 8192;
  options.sync = Sync::kNever;
  Lsn last = 0;
  {
    const std::unique_ptr<Log> log = open(options);
    const std::string text(1000, 'x');
    for (int i = 0; i < 500; ++i) {
      last = log->append(bytes_of(text + std::to_string(i)), std::nullopt, 0);
      if (i % 10 == 9) {
        log->flush();
        log->drop_below(last, 1 << 20);
      }
    }
    EXPECT_LE(log->stats().segments, 4u);
    EXPECT_LE(FileSystem::system().list(folder()).size(), 6u);
  }
  open(options, last);
  ASSERT_EQ(replayed_.size(), 1u);
  EXPECT_TRUE(replayed_[0].second.ends_with("x499"));
  EXPECT_THROW(open(options, 0), CorruptionError);
}

TEST_F(LogOnDisk, SparesTakeNoMoreThanTheyMay) {
  constexpr std::uint64_t kMost = 100'000;
  Options options;
  options.segment_bytes = 256u << 10;
  options.sync = Sync::kNever;
  const std::string text(10'000, 'x');
  const auto spare_bytes = [&] {
    std::uint64_t total = 0;
    for (const std::string& name : FileSystem::system().list(folder())) {
      if (name.starts_with("spare-")) total += std::filesystem::file_size(folder() / name);
    }
    return total;
  };
  Lsn last = 0;
  std::uint64_t most = 0;
  for (int process = 0; process < 2; ++process) {
    const std::unique_ptr<Log> log = open(options, last);
    for (int i = 0; i < 200; ++i) {
      last = log->append(bytes_of(text + std::to_string(i)), std::nullopt, 0);
      if (i % 60 != 59) continue;
      log->flush();
      log->drop_below(last, kMost);
      ASSERT_LE(spare_bytes(), kMost) << i;
      most = std::max(most, spare_bytes());
    }
    log->drop_below(last, 0);
  }
  EXPECT_EQ(most, kMost);  // and what was cut was written over
  replayed_.clear();
  open(options, last);
  ASSERT_FALSE(replayed_.empty());
  EXPECT_TRUE(replayed_.back().second.ends_with("x199"));
}

TEST_F(LogOnDisk, WhateverHasTheNameOfASpareIsInNobodysWay) {
  open({})->append(bytes_of("one"), std::nullopt, 0);
  const Path outside = folder().parent_path() / "outside";
  std::ofstream(outside) << "not of the log";
  std::filesystem::create_directories(folder() / "spare-00000001.wal" / "full");
  std::filesystem::create_symlink("nowhere", folder() / "spare-00000002.wal");
  std::filesystem::create_symlink(outside, folder() / "spare-00000003.wal");
  std::ofstream(folder() / "spare-00000004.wal");
  std::filesystem::resize_file(folder() / "spare-00000004.wal", std::uint64_t{1} << 40);
  Options options;
  options.segment_bytes = 8192;
  {
    const std::unique_ptr<Log> log = open(options);
    const std::string text(1000, 'x');
    Lsn last = 0;
    for (int i = 0; i < 100; ++i) last = log->append(bytes_of(text), std::nullopt, 0);
    log->drop_below(last, 1 << 20);
  }
  EXPECT_FALSE(std::filesystem::exists(folder() / "spare-00000004.wal"));
  std::string content;
  std::getline(std::ifstream(outside), content);
  EXPECT_EQ(content, "not of the log");
}

TEST_F(LogOnDisk, AForkedChildLetsGoOfItWithoutHarm) {
  const std::unique_ptr<Log> log = open({.sync = Sync::kInterval});
  log->append(bytes_of("before"), std::nullopt, 0);
  const pid_t child = fork();
  if (child == 0) {
    log->abandon();
    try {
      log->append(bytes_of("child"), std::nullopt, 0);
    } catch (const StoreClosed&) {
      const_cast<std::unique_ptr<Log>&>(log).reset();  // must neither hang nor write
      _exit(7);
    }
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  log->append(bytes_of("after"), Sync::kAlways, 0);
  EXPECT_EQ(committed_.size(), 2u);
}

// Many writers, a ring that is often full, small segments: every append is committed exactly once, before it
// returns, in LSN order; and replayed as it was committed.
TEST_F(LogOnDisk, ManyWritersAreCommittedOnceEachInOrder) {
  constexpr int kThreads = 8;
  constexpr int kEach = 400;
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::atomic<Lsn> seen{0};
  std::vector<std::pair<Lsn, std::string>> committed;
  {
    const std::unique_ptr<Log> log = Log::open(
        FileSystem::system(), folder(), {.segment_bytes = 16384, .ring_bytes = 4096}, 0, [](const Record&) {},
        [&](std::span<const Record> group) {
          for (const Record& record : group) {
            EXPECT_GT(record.lsn, seen.load());
            seen = record.lsn;
            committed.emplace_back(record.lsn, text_of(record.payload));
            EXPECT_EQ(record.context, record.payload.size());
          }
        });
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937_64 random(seed + static_cast<std::uint64_t>(t));
        for (int i = 0; i < kEach; ++i) {
          std::string text = std::to_string(t) + ":" + std::to_string(i) + ":";
          text.resize(text.size() + random() % 1500, static_cast<char>('a' + t));
          const auto mode = static_cast<Sync>(random() % 16 == 0 ? random() % 2 : 2);
          const Lsn lsn = log->append(bytes_of(text), mode, text.size());
          EXPECT_GE(seen.load(), lsn);
          EXPECT_TRUE(mode != Sync::kAlways || log->synced_lsn() > lsn);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(log->stats().records, static_cast<std::uint64_t>(kThreads * kEach));
    EXPECT_GT(log->stats().segments, 10u);
  }
  ASSERT_EQ(committed.size(), static_cast<std::size_t>(kThreads * kEach));
  std::vector<int> next(kThreads);
  for (const auto& [lsn, text] : committed) {
    const int t = std::stoi(text);
    EXPECT_EQ(std::stoi(text.substr(text.find(':') + 1)), next[static_cast<std::size_t>(t)]++);
  }
  open();
  EXPECT_EQ(replayed_, committed);
}

}  // namespace
}  // namespace engram::wal
