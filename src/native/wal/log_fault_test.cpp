// The log against a file system that fails, dies and loses power (base/fault_file.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/fault_file.h"
#include "wal/format.h"
#include "wal/log.h"

namespace engram::wal {
namespace {

using Call = FaultFileSystem::Call;
using Texts = std::vector<std::string>;

const Path kFolder = "/wal";

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a caller of the log saw.
struct Seen {
  Texts issued;
  std::size_t acknowledged = 0;  // the first so many returned
  std::size_t durable = 0;       // the first so many were on stable storage
  Texts committed;
  std::size_t applied = 0;  // the first so many were made durable elsewhere, and the log dropped below
  Lsn from = 0;             // the next one's LSN
};

std::unique_ptr<Log> open_log(FileSystem& files, const Options& options, Texts* replayed,
                              Texts* committed = nullptr, Lsn from = 0) {
  return Log::open(
      files, kFolder, options, from,
      [replayed](const Record& record) {
        if (replayed) replayed->push_back(text_of(record.payload));
      },
      [committed](std::span<const Record> group) {
        if (!committed) return;
        for (const Record& record : group) committed->push_back(text_of(record.payload));
      });
}

bool is_prefix(const Texts& texts, const Texts& of) {
  return texts.size() <= of.size() && std::equal(texts.begin(), texts.end(), of.begin());
}

Options small_segments(Sync sync) {
  Options options;
  options.sync = sync;
  options.segment_bytes = 4096;
  options.ring_bytes = 4096;
  return options;
}

Texts recovered(FileSystem& files, Lsn from = 0) {
  Texts texts;
  open_log(files, small_segments(Sync::kAlways), &texts, nullptr, from);
  return texts;
}

std::string some_text(std::mt19937_64& random, std::size_t number) {
  std::string text = std::to_string(number) + ":";
  text.resize(text.size() + random() % 900, static_cast<char>('a' + number % 26));
  return text;
}

// Opens, appends `count` records one after another, closes; drops what was applied now and then. Stops at the
// first error but OutOfSpace.
void live(FaultFileSystem& files, Sync sync, std::size_t count, std::mt19937_64& random, Seen& seen,
          bool drop = false) {
  const std::unique_ptr<Log> log = open_log(files, small_segments(sync), nullptr, &seen.committed, seen.from);
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = some_text(random, seen.issued.size());
    try {
      const Lsn lsn = log->append(bytes_of(text), std::nullopt, 0);
      seen.issued.push_back(std::move(text));
      seen.acknowledged = seen.issued.size();
      if (sync == Sync::kNever && random() % 8 == 0) log->wait_durable(lsn, std::nullopt);
      if (log->synced_lsn() == log->end_lsn()) seen.durable = seen.acknowledged;
      if (drop && seen.durable == seen.acknowledged && random() % 3 == 0) {
        seen.applied = seen.acknowledged;
        seen.from = log->end_lsn();
        log->drop_below(seen.from);
      }
    } catch (const OutOfSpace&) {  // as if it had never been called
    } catch (const DurabilityError&) {
      if (seen.acknowledged == seen.issued.size()) seen.issued.push_back(std::move(text));
      throw;
    }
  }
  log->close();
  seen.durable = seen.acknowledged;
}

// The bytes of a world with one segment of three groups of two records, not closed.
struct ThreeGroups {
  std::unique_ptr<FaultFileSystem> files;
  Texts texts;
  Path segment = kFolder / "00000001.wal";
  std::vector<std::byte> bytes;  // of the file, up to the end of the last group
  std::size_t last_group = 0;    // where that begins
};

ThreeGroups three_groups(bool closed) {
  ThreeGroups made;
  FaultFileSystem files;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr);
  for (const char* text : {"the first record", "the second", "the third, which is the last of all"}) {
    made.texts.emplace_back(text);
    log->append(bytes_of(text), std::nullopt, 0);
  }
  if (closed) log->close();
  made.files = files.after_kill();
  const std::unique_ptr<File> file = made.files->open(made.segment, OpenMode::kRead);
  made.last_group = kSegmentHeaderBytes;
  for (int i = 0; i < 2; ++i) made.last_group += kGroupHeaderBytes + record_bytes(made.texts[i].size());
  made.bytes.resize(made.last_group + kGroupHeaderBytes + record_bytes(made.texts[2].size()) +
                    (closed ? kGroupHeaderBytes : 0));
  EXPECT_EQ(file->read_at(0, made.bytes), made.bytes.size());
  return made;
}

void replace(FileSystem& files, const Path& path, Bytes bytes) {
  const std::unique_ptr<File> file = files.open(path, OpenMode::kReadWrite);
  file->truncate(0);
  file->write_at(0, std::array<Bytes, 1>{bytes});
}

TEST(LogTail, ATornLastGroupIsDroppedWhereverItIsTorn) {
  const ThreeGroups made = three_groups(false);
  for (std::size_t size = made.last_group; size < made.bytes.size(); ++size) {
    for (const bool zeros_follow : {false, true}) {
      SCOPED_TRACE("torn at byte " + std::to_string(size) + (zeros_follow ? ", zeros follow" : ""));
      const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
      std::vector<std::byte> torn(made.bytes.begin(), made.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      if (zeros_follow) torn.resize(made.bytes.size() + 4096);
      replace(*files, made.segment, torn);
      const Texts texts = recovered(*files);
      const std::size_t padding = padded(made.texts[2].size()) - made.texts[2].size();
      const bool whole = zeros_follow && size + padding >= made.bytes.size();
      EXPECT_EQ(texts, Texts(made.texts.begin(), made.texts.end() - (whole ? 0 : 1)));
      EXPECT_EQ(recovered(*files), texts);
    }
  }
}

// Every bit of a log's file, of one that was killed and of one that was closed: what is read is right or
// refused, and refused whenever a later header proves that the damaged part was synced.
TEST(LogTail, NoFlippedBitIsReadAsSomethingElse) {
  for (const bool closed : {false, true}) {
    const ThreeGroups made = three_groups(closed);
    for (std::size_t byte = 0; byte < made.bytes.size(); ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        SCOPED_TRACE("byte " + std::to_string(byte) + " bit " + std::to_string(bit) +
                     (closed ? ", closed" : ""));
        const std::unique_ptr<FaultFileSystem> files = made.files->after_kill();
        files->flip(made.segment, byte, bit);
        try {
          const Texts texts = recovered(*files);
          ASSERT_TRUE(is_prefix(texts, made.texts));
          const bool provable =
              byte < made.last_group || (closed && byte < made.bytes.size() - kGroupHeaderBytes);
          ASSERT_TRUE(!provable || texts == made.texts) << "silently lost";
        } catch (const CorruptionError& error) {
          ASSERT_EQ(error.file, made.segment.string());
          ASSERT_LT(error.offset, made.bytes.size());
          ASSERT_NE(std::string(error.what()).find("engram repair"), std::string::npos);
        }
      }
    }
  }
}

TEST(LogTail, ProvenDamageNamesFileOffsetAndChecksums) {
  const ThreeGroups made = three_groups(false);
  const std::size_t record = kSegmentHeaderBytes + kGroupHeaderBytes;
  made.files->flip(made.segment, record + kRecordHeaderBytes + 3, 0);
  try {
    recovered(*made.files);
    FAIL();
  } catch (const CorruptionError& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.offset, record);
    EXPECT_TRUE(what.starts_with("log segment 00000001.wal is damaged at byte 104 (checksum ")) << what;
    EXPECT_NE(what.find(") below what a later record proves was synced; run `engram repair`"),
              std::string::npos);
  }
}

TEST(LogFiles, AMissingAForeignANewerAndARenamedSegmentAreRefused) {
  FaultFileSystem files;
  std::mt19937_64 random(1);
  Seen seen;
  live(files, Sync::kAlways, 40, random, seen);
  const std::vector<std::string> names = files.list(kFolder);
  ASSERT_GE(names.size(), 4u);
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    const std::unique_ptr<FaultFileSystem> missing = files.after_kill();
    missing->remove(kFolder / names[i]);
    EXPECT_THROW(recovered(*missing), CorruptionError) << names[i] << " missing";
  }
  const std::unique_ptr<FaultFileSystem> foreign = files.after_kill();
  replace(*foreign, kFolder / names[1], bytes_of("not a segment of any log"));
  EXPECT_THROW(recovered(*foreign), CorruptionError);

  const std::unique_ptr<FaultFileSystem> newer = files.after_kill();
  std::vector<std::byte> header(kSegmentHeaderBytes);
  newer->open(kFolder / names[1], OpenMode::kRead)->read_at(0, header);
  store_le(header.data() + 8, kFormatVersion + 1);
  store_le(header.data() + 60, crc32c(0, Bytes(header).first(60)));
  replace(*newer, kFolder / names[1], header);
  EXPECT_THROW(recovered(*newer), UnsupportedFormat);

  const std::unique_ptr<FaultFileSystem> renamed = files.after_kill();
  renamed->rename(kFolder / names[1], kFolder / "00000777.wal");
  EXPECT_THROW(recovered(*renamed), CorruptionError);

  const std::unique_ptr<FaultFileSystem> another = files.after_kill();
  FaultFileSystem other;
  Seen of_other;
  live(other, Sync::kAlways, 40, random, of_other);
  std::vector<std::byte> bytes(8192);
  bytes.resize(other.open(kFolder / names[1], OpenMode::kRead)->read_at(0, bytes));
  replace(*another, kFolder / names[1], bytes);
  EXPECT_THROW(recovered(*another), CorruptionError);

  const std::unique_ptr<FaultFileSystem> extra = files.after_kill();
  extra->open(kFolder / "notes.txt", OpenMode::kCreate);
  EXPECT_EQ(recovered(*extra), seen.issued);
}

// For every call N of a life: it fails, once or from then on, in various ways.
TEST(LogFaults, WhateverCallFailsNothingAcknowledgedIsLostAndNothingRefusedIsSeen) {
  for (const Sync sync : {Sync::kAlways, Sync::kNever}) {
    for (const int code : {EIO, ENOSPC}) {
      for (const bool for_good : {false, true}) {
        for (std::uint64_t n = 0;; ++n) {
          SCOPED_TRACE("sync " + std::to_string(static_cast<int>(sync)) + " errno " + std::to_string(code) +
                       (for_good ? " from call " : " at call ") + std::to_string(n));
          FaultFileSystem files(n);
          files.fail_at(n, code, for_good);
          std::mt19937_64 random(7);
          Seen seen;
          try {
            live(files, sync, 24, random, seen);
          } catch (const DurabilityError&) {
          } catch (const OutOfSpace&) {  // at open
          } catch (const IoError&) {     // at open
          }
          ASSERT_TRUE(is_prefix(seen.committed, seen.issued));
          ASSERT_EQ(seen.committed.size(), seen.acknowledged);
          const std::unique_ptr<FaultFileSystem> after = files.after_kill();
          const Texts killed = recovered(*after);
          ASSERT_TRUE(is_prefix(killed, seen.issued));
          ASSERT_GE(killed.size(), seen.acknowledged);
          for (int cut = 0; cut < 4; ++cut) {
            const Texts left = recovered(*files.after_power_cut(random));
            ASSERT_TRUE(is_prefix(left, seen.issued));
            ASSERT_GE(left.size(), seen.durable);
            // What a recovery found it has made durable.
            ASSERT_EQ(recovered(*after->after_power_cut(random)), killed);
          }
          if (n >= files.calls()) break;
        }
      }
    }
  }
}

TEST(LogFaults, AFailedSyncEndsTheLogForAll) {
  FaultFileSystem files;
  Texts committed;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr, &committed);
  const Lsn first = log->append(bytes_of("one"), std::nullopt, 0);
  const Lsn synced = log->synced_lsn();
  files.fail_at(files.calls() + 1, EIO, false);  // the write, then the sync
  EXPECT_THROW(log->append(bytes_of("two"), std::nullopt, 0), DurabilityError);
  EXPECT_TRUE(log->failed());
  EXPECT_THROW(log->append(bytes_of("three"), Sync::kNever, 0), DurabilityError);
  EXPECT_TRUE(log->wait_durable(first, std::nullopt));
  EXPECT_NO_THROW(log->flush());  // all that was accepted is durable
  EXPECT_EQ(log->synced_lsn(), synced);
  EXPECT_EQ(committed, Texts{"one"});
}

TEST(LogFaults, AFullDiskRefusesWithoutAHoleAndAcceptsAgain) {
  FaultFileSystem files;
  Texts committed;
  Texts accepted;
  const std::unique_ptr<Log> log = open_log(files, small_segments(Sync::kAlways), nullptr, &committed);
  files.set_capacity(20000);
  std::mt19937_64 random(3);
  int refused = 0;
  for (int i = 0; i < 200 && refused < 5; ++i) {
    const std::string text = some_text(random, static_cast<std::size_t>(i));
    const Lsn before = log->end_lsn();
    try {
      EXPECT_EQ(log->append(bytes_of(text), std::nullopt, 0), before);
      accepted.push_back(text);
    } catch (const OutOfSpace& error) {
      EXPECT_NE(std::string(error.what()).find("free some space"), std::string::npos);
      EXPECT_EQ(log->end_lsn(), before);
      ++refused;
    }
  }
  ASSERT_EQ(refused, 5);
  EXPECT_FALSE(log->failed());
  files.set_capacity(~std::uint64_t{0});
  for (int i = 0; i < 20; ++i) {
    accepted.push_back(some_text(random, static_cast<std::size_t>(i)));
    log->append(bytes_of(accepted.back()), std::nullopt, 0);
  }
  EXPECT_EQ(committed, accepted);
  EXPECT_EQ(recovered(*files.after_kill()), accepted);
}

// Power is cut before every call of three lives, each of which begins where a cut left the one before.
class LogPower : public testing::TestWithParam<std::tuple<Sync, bool>> {
 protected:
  // Cuts the power now, four times over: each time nothing durable is missing, and nothing came that was not
  // issued; and what recovery found stays found.
  void cut(const FaultFileSystem& files, const Seen& seen) {
    for (int i = 0; i < 4; ++i, ++cuts_) {
      std::unique_ptr<FaultFileSystem> world = files.after_power_cut(random_);
      const std::unique_ptr<FaultFileSystem> same = world->after_kill();
      const Texts texts = recovered(*same, seen.from);
      ASSERT_GE(texts.size(), seen.durable - seen.applied) << "cut " << cuts_;
      ASSERT_LE(texts.size(), seen.issued.size() - seen.applied + 1) << "cut " << cuts_;
      const std::size_t known = std::min(texts.size(), seen.issued.size() - seen.applied);
      ASSERT_TRUE(std::equal(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(known),
                             seen.issued.begin() + static_cast<std::ptrdiff_t>(seen.applied)))
          << "cut " << cuts_;
      ASSERT_EQ(recovered(*same->after_power_cut(random_), seen.from), texts) << "cut " << cuts_ << ", again";
      if (random_() % 50 != 0) continue;
      left_ = std::move(world);
      when_left_ = Seen();
      when_left_.issued = texts;
      when_left_.acknowledged = when_left_.durable = texts.size();
      when_left_.from = seen.from;
    }
  }

  std::uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
  int cuts_ = 0;
  std::unique_ptr<FaultFileSystem> left_;  // where the next life begins
  Seen when_left_;
};

TEST_P(LogPower, ACutLosesNothingThatWasDurable) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  const auto [sync, drop] = GetParam();
  while (cuts_ < 1000) {
    auto files = std::make_unique<FaultFileSystem>(random_());
    Seen seen;
    for (int generation = 0; generation < 3; ++generation) {
      left_ = nullptr;
      bool inside = false;
      files->set_hook([&](Call, const Path&) {
        if (std::exchange(inside, true)) return;
        cut(*files, seen);
        inside = false;
      });
      live(*files, sync, 16, random_, seen, drop);
      files->set_hook({});
      if (HasFatalFailure()) return;
      if (!left_) break;
      files = std::move(left_);
      seen = std::move(when_left_);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, LogPower,
                         testing::Combine(testing::Values(Sync::kAlways, Sync::kNever), testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) == Sync::kAlways ? "Always" : "Never") +
                                  (std::get<1>(info.param) ? "Dropping" : "");
                         });

TEST(LogRecovery, BeingKilledWhileRecoveringChangesNothing) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 8; ++round) {
    FaultFileSystem first(random());
    Seen seen;
    first.kill_at(60 + random() % 60);
    try {
      live(first, round % 2 == 0 ? Sync::kAlways : Sync::kNever, 60, random, seen);
    } catch (const std::exception&) {
    }
    std::unique_ptr<FaultFileSystem> world = first.after_power_cut(random);
    const Texts expected = recovered(*world->after_kill());
    for (std::uint64_t n = 0;; ++n) {
      SCOPED_TRACE("killed at call " + std::to_string(n));
      std::unique_ptr<FaultFileSystem> files = world->after_kill();
      files->kill_at(n);
      try {
        recovered(*files);
      } catch (const Killed&) {
      }
      if (files->calls() <= n) break;
      ASSERT_EQ(recovered(*files->after_kill()), expected);
      ASSERT_EQ(recovered(*files->after_power_cut(random)), expected);
    }
  }
}

// Stops every sync of a segment until it is told to go on.
class SyncGate {
 public:
  explicit SyncGate(FaultFileSystem& files) : files_(files) {
    files_.set_hook([this](Call call, const Path&) {
      if (call != Call::kSync) return;
      std::unique_lock lock(mutex_);
      ++reached_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    });
  }
  void await_a_sync() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_ > 0; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  FaultFileSystem& files_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int reached_ = 0;
  bool open_ = false;
};

TEST(LogGroups, WhileASyncRunsTheNextGroupGathers) {
  constexpr std::size_t kWriters = 9;
  FaultFileSystem files;
  Texts committed;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr, &committed);
  SyncGate gate(files);
  std::vector<std::thread> writers;
  writers.emplace_back([&] { log->append(bytes_of("first!!!"), std::nullopt, 0); });
  gate.await_a_sync();
  for (std::size_t i = 1; i < kWriters; ++i) {
    writers.emplace_back([&] { log->append(bytes_of("another!"), std::nullopt, 0); });
  }
  while (log->stats().ring_bytes_used < kWriters * record_bytes(8)) std::this_thread::yield();
  EXPECT_TRUE(committed.empty());
  EXPECT_EQ(log->end_lsn(), kFirstLsn);
  gate.open();
  for (std::thread& writer : writers) writer.join();
  // Reserved is not yet published: the leader may have found one or two of them still at it.
  EXPECT_LE(log->stats().groups, 4u);
  EXPECT_GE(log->stats().largest_group, kWriters - 3);
  EXPECT_EQ(committed.size(), kWriters);
  EXPECT_EQ(committed.front(), "first!!!");
}

TEST(LogGroups, AFullRingHoldsWritersBackAndDropsNothing) {
  FaultFileSystem files;
  Texts committed;
  const std::unique_ptr<Log> log = open_log(files, {.ring_bytes = 4096}, nullptr, &committed);
  SyncGate gate(files);
  std::vector<std::thread> writers;
  for (int i = 0; i < 12; ++i) {
    writers.emplace_back([&, i] {
      const std::string text(1000, static_cast<char>('a' + i));
      for (int k = 0; k < 20; ++k) log->append(bytes_of(text), std::nullopt, 0);
    });
  }
  gate.await_a_sync();
  while (log->stats().ring_bytes_used < 4096) std::this_thread::yield();
  EXPECT_TRUE(committed.empty());
  gate.open();
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(committed.size(), 240u);
  EXPECT_EQ(recovered(*files.after_kill()), committed);
}

TEST(LogGroups, ASyncThatFailsForManyFailsForEachOfThem) {
  FaultFileSystem files;
  Texts committed;
  const std::unique_ptr<Log> log = open_log(files, {.ring_bytes = 4096}, nullptr, &committed);
  SyncGate gate(files);
  std::atomic<int> failed{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 12; ++i) {
    writers.emplace_back([&] {
      try {
        log->append(bytes_of(std::string(1000, 'x')), std::nullopt, 0);
      } catch (const DurabilityError&) {
        ++failed;
      }
    });
  }
  gate.await_a_sync();
  files.fail_at(files.calls(), EIO, false);
  gate.open();
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 12);
  EXPECT_TRUE(committed.empty());
  EXPECT_EQ(log->synced_lsn(), kFirstLsn);
}

TEST(LogGroups, WaitingForDurabilityEndsWithItsTimeout) {
  FaultFileSystem files;
  const std::unique_ptr<Log> log = open_log(files, {.sync = Sync::kNever}, nullptr);
  const Lsn lsn = log->append(bytes_of("one"), std::nullopt, 0);
  EXPECT_FALSE(log->wait_durable(lsn, std::chrono::nanoseconds(0)));
  SyncGate gate(files);
  std::thread other([&] { log->flush(); });
  gate.await_a_sync();
  EXPECT_FALSE(log->wait_durable(lsn, std::chrono::milliseconds(1)));
  gate.open();
  EXPECT_TRUE(log->wait_durable(lsn, std::nullopt));
  other.join();
}

TEST(LogGroups, AnIntervalThatCannotSyncEndsTheLog) {
  FaultFileSystem files;
  const std::unique_ptr<Log> log =
      open_log(files, {.sync = Sync::kInterval, .interval = std::chrono::milliseconds(1)}, nullptr);
  files.set_hook([&](Call call, const Path& path) {
    if (call == Call::kSync) throw IoError(EIO, path.string(), "no such luck");
  });
  const Lsn lsn = log->append(bytes_of("one"), std::nullopt, 0);
  while (!log->failed()) std::this_thread::yield();
  EXPECT_LE(log->synced_lsn(), lsn);
  EXPECT_THROW(log->append(bytes_of("two"), std::nullopt, 0), DurabilityError);
  EXPECT_THROW(log->wait_durable(lsn, std::nullopt), DurabilityError);
  EXPECT_THROW(log->close(), DurabilityError);
}

TEST(LogGroups, ClosingWaitsForThoseInside) {
  FaultFileSystem files;
  Texts committed;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr, &committed);
  SyncGate gate(files);
  std::thread writer([&] { log->append(bytes_of("one"), std::nullopt, 0); });
  gate.await_a_sync();
  std::thread closer([&] {
    log->close();
    EXPECT_EQ(committed, Texts{"one"});
  });
  gate.open();
  closer.join();
  writer.join();
  EXPECT_THROW(log->append(bytes_of("two"), std::nullopt, 0), StoreClosed);
}

// Writers beside each other in mixed modes, and the power goes at any call: what returned durable is there,
// in the order it was committed.
TEST(LogGroups, ACutAmongManyWritersLosesNothingThatWasDurable) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    FaultFileSystem files(random());
    Texts committed;
    std::mutex mutex;
    std::set<std::string> durable;
    const std::unique_ptr<Log> log = open_log(files, small_segments(Sync::kAlways), nullptr, &committed);
    files.kill_at(files.calls() + random() % 100);
    std::vector<std::thread> writers;
    for (int t = 0; t < 4; ++t) {
      writers.emplace_back([&, t, own = std::mt19937_64(random())]() mutable {
        try {
          for (int i = 0; i < 30; ++i) {
            const std::string text = std::to_string(t) + ":" + some_text(own, static_cast<std::size_t>(i));
            const Sync mode = own() % 2 == 0 ? Sync::kAlways : Sync::kNever;
            log->append(bytes_of(text), mode, 0);
            if (mode == Sync::kNever) continue;
            const std::lock_guard lock(mutex);
            durable.insert(text);
          }
        } catch (const DurabilityError&) {
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    for (int cut = 0; cut < 5; ++cut) {
      const Texts texts = recovered(*files.after_power_cut(random));
      const std::size_t known = std::min(texts.size(), committed.size());
      ASSERT_TRUE(
          std::equal(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(known), committed.begin()));
      for (const std::string& text : durable) {
        ASSERT_TRUE(std::ranges::find(texts, text) != texts.end()) << "round " << round << " lost " << text;
      }
    }
  }
}

}  // namespace
}  // namespace engram::wal
