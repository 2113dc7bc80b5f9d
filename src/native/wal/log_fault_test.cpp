// The log against a file system that fails, dies and loses power.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "wal/log_testing.h"

namespace engram::wal {
namespace {

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

TEST(LogFaults, AFolderThatIsRemovedUnderItFailsTheNextSync) {
  FaultFileSystem files;
  const std::unique_ptr<Log> log = open_log(files, {}, nullptr);
  log->append(bytes_of("kept by nobody"), std::nullopt, 0);
  for (const std::string& name : files.list(kFolder)) files.remove(kFolder / name);
  EXPECT_THROW(log->append(bytes_of("lost"), std::nullopt, 0), DurabilityError);
  EXPECT_TRUE(log->failed());
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

// Nobody asks for a sync: the log takes care of it by itself, and whenever the power goes, what it said is
// synced is there.
TEST(LogFaults, AnIntervalLosesNoMoreThanWhatCameAfterItsLastSync) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    FaultFileSystem files(random());
    Options options = small_segments(Sync::kInterval);
    options.interval = std::chrono::milliseconds(1);
    const std::unique_ptr<Log> log = open_log(files, options, nullptr);
    Texts issued;
    std::vector<Lsn> lsns;
    for (std::size_t i = 0; i < 25; ++i) {
      issued.push_back(some_text(random, i));
      lsns.push_back(log->append(bytes_of(issued.back()), std::nullopt, 0));
      if (random() % 8 == 0) {
        while (log->synced_lsn() <= lsns.back()) std::this_thread::yield();
      }
    }
    const Lsn synced = log->synced_lsn();
    const Texts left = recovered(*files.after_power_cut(random));
    ASSERT_TRUE(is_prefix(left, issued));
    const auto safe = std::ranges::lower_bound(lsns, synced) - lsns.begin();
    ASSERT_GE(left.size(), static_cast<std::size_t>(safe));
  }
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

}  // namespace
}  // namespace engram::wal
