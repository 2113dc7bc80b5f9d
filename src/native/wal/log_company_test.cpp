// Writers that wait for each other before a group is written: whoever comes, stays out or comes late, nobody
// is left asleep, and each learns what became of its own record. What is lost here hangs.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "wal/log_testing.h"
#include "wal/patience.h"

namespace engram::wal {
namespace {

// Makes every sync take as long as a disk would: from one that nobody waits for company beside, to one that
// is worth more patience than there is.
void make_slow(FaultFileSystem& files, std::uint64_t seed) {
  files.set_hook([random = std::make_shared<std::atomic<std::uint64_t>>(seed)](Call call, const Path&) {
    if (call != Call::kSync) return;
    std::mt19937_64 own(random->fetch_add(1));
    const std::chrono::microseconds took(own() % (2 * Patience::kMost.count()));
    const auto until = std::chrono::steady_clock::now() + took;
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
  });
}

struct Said {
  std::mutex mutex;
  std::multiset<std::string> stored;
  std::size_t refused = 0;
};

// One writer: so many records in mixed modes, one after another, until one fails.
void write(Log& log, std::mt19937_64 random, std::string name, std::size_t records, Said& said) {
  try {
    for (std::size_t i = 0; i < records; ++i) {
      const std::string text = name + some_text(random, i);
      const Sync mode = random() % 8 == 0 ? Sync::kNever : Sync::kAlways;
      log.append(bytes_of(text), mode, 0);
      const std::lock_guard lock(said.mutex);
      said.stored.insert(text);
    }
  } catch (const DurabilityError&) {
    const std::lock_guard lock(said.mutex);
    ++said.refused;
  }
}

void run_writers(Log& log, std::mt19937_64& random, Said& said) {
  std::vector<std::thread> writers;
  const std::size_t count = 1 + random() % 16;
  for (std::size_t t = 0; t < count; ++t) {
    writers.emplace_back([&, t, own = std::mt19937_64(random()), records = 1 + random() % 40] {
      write(log, own, std::to_string(t) + ":", records, said);
    });
  }
  for (std::thread& writer : writers) writer.join();
}

TEST(LogCompany, NobodyIsLeftAsleepHoweverManyComeAndStayOut) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    FaultFileSystem files(random());
    make_slow(files, random());
    Texts committed;
    Options options = small_segments(Sync::kAlways);
    options.ring_bytes = round % 2 == 0 ? 4096 : 1 << 20;  // full most of the time, or never
    const std::unique_ptr<Log> log = open_log(files, options, nullptr, &committed);
    Said said;
    run_writers(*log, random, said);
    ASSERT_EQ(said.refused, 0u);
    ASSERT_EQ(std::multiset<std::string>(committed.begin(), committed.end()), said.stored);
    log->close();
    ASSERT_EQ(recovered(*files.after_kill()), committed);
  }
}

TEST(LogCompany, ALeaderThatFailsTellsEverybody) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    FaultFileSystem files(random());
    make_slow(files, random());
    Texts committed;
    const std::unique_ptr<Log> log = open_log(files, small_segments(Sync::kAlways), nullptr, &committed);
    files.fail_at(files.calls() + random() % 60, EIO, false);
    Said said;
    run_writers(*log, random, said);
    ASSERT_EQ(log->failed(), said.refused > 0);
    ASSERT_EQ(std::multiset<std::string>(committed.begin(), committed.end()), said.stored);
  }
}

}  // namespace
}  // namespace engram::wal
