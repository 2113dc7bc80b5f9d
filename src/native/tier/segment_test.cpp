#include "tier/segment.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "tier/segment_testing.h"

namespace engram::tier {
namespace {

using hnsw::Metric;

constexpr Kind kBoth[] = {Kind::kWarm, Kind::kCold};
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kCosine, Metric::kIp};

std::string name_of(Kind kind, std::size_t rows, std::size_t dim) {
  return std::string(kind == Kind::kWarm ? "warm" : "cold") + ", " + std::to_string(rows) + " rows of " +
         std::to_string(dim);
}

void expect_all_columns(const Segment& segment, const Memories& memories) {
  ASSERT_EQ(segment.rows(), memories.size());
  std::set<std::uint64_t> keys;
  std::vector<float> copy(memories.dim());
  for (Row row = 0; row < segment.rows(); ++row) {
    const std::uint64_t key = segment.keys()[row];
    ASSERT_TRUE(keys.insert(key).second);
    const RowIn& memory = memories.of_key(key);
    ASSERT_EQ(segment.key(row), key);
    ASSERT_EQ(segment.hashes()[row], memory.hash);
    ASSERT_EQ(segment.id(row), memory.id);
    ASSERT_TRUE(segment.id_is(row, memory.id));
    ASSERT_FALSE(segment.id_is(row, "another"));
    ASSERT_EQ(segment.confidence(row), memory.confidence);
    segment.copy_vector(row, copy.data());
    ASSERT_EQ(std::memcmp(copy.data(), memory.vector, memories.dim() * sizeof(float)), 0);
    ASSERT_EQ(std::memcmp(segment.vector(row), memory.vector, memories.dim() * sizeof(float)), 0);
  }
  EXPECT_EQ(keys.size(), memories.size());
}

// Hits are distinct rows that count, nearest first, with the very distance of their vectors.
void expect_sound(const Segment& segment, const Memories& memories, const float* cue,
                  const std::vector<Hit>& hits) {
  std::set<Row> rows;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    ASSERT_TRUE(rows.insert(hits[i].row).second);
    ASSERT_EQ(hits[i].distance, memories.distance(cue, memories.of_key(segment.key(hits[i].row)).vector));
    ASSERT_LE(hits[i == 0 ? 0 : i - 1].distance, hits[i].distance);
  }
}

// The share of the k nearest that were found, over memories taken as cues after a little change.
double recall(const Segment& segment, Memories& memories, const LiveRows& live, const Query& how) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> cue(memories.dim());
  double right = 0;
  double all = 0;
  std::set<std::uint64_t> alive;
  for (Row row = 0; row < segment.rows(); ++row) {
    if (live.counts(row, 0)) alive.insert(segment.key(row));
  }
  for (std::size_t i = 0; i < 25; ++i) {
    const float* const from = memories.vector(random() % memories.size());
    for (std::size_t d = 0; d < cue.size(); ++d) cue[d] = from[d] + 0.3F * normal(random);
    Query query = how;
    query.cue = cue.data();
    const std::vector<Hit> hits = search(segment, query, live);
    expect_sound(segment, memories, cue.data(), hits);
    const std::vector<float> best =
        memories.nearest(cue.data(), how.k, [&](std::uint64_t key) { return alive.contains(key); });
    EXPECT_EQ(hits.size(), best.size());
    for (const Hit& hit : hits) right += hit.distance <= best.back() ? 1 : 0;
    all += static_cast<double>(best.size());
  }
  return right / all;
}

TEST(Segment, GivesBackEveryColumnOfEveryShape) {
  std::uint64_t seed = 0;
  for (const Kind kind : kBoth) {
    for (const std::size_t dim : {1, 2, 3, 17, 128, 1023, 1024}) {
      for (const std::size_t rows : {1, 2, 65, 300}) {
        SCOPED_TRACE(name_of(kind, rows, dim));
        Memories memories(rows, dim, ++seed);
        const Sealed sealed(kind, memories);
        EXPECT_EQ(sealed.segment->kind(), kind);
        EXPECT_EQ(sealed.segment->dim(), dim);
        expect_all_columns(*sealed.segment, memories);
        sealed.segment->verify();
      }
    }
  }
}

TEST(Segment, FindsExactlyTheNearestOfFewRowsUnderEveryMetric) {
  std::uint64_t seed = 100;
  for (const Kind kind : kBoth) {
    for (const Metric metric : kMetrics) {
      for (const std::size_t dim : {1, 5, 64, 301, 1024}) {
        SCOPED_TRACE(name_of(kind, 200, dim) + ", metric " + std::to_string(static_cast<int>(metric)));
        Memories memories(200, dim, ++seed, metric);
        const Sealed sealed(kind, memories);
        const LiveRows live(200);
        EXPECT_EQ(recall(*sealed.segment, memories, live, {.k = 10, .ef = 64}), 1.0);
      }
    }
  }
}

TEST(Segment, FindsNearlyAllOfManyRowsUnderEveryMetric) {
  for (const Kind kind : kBoth) {
    for (const Metric metric : kMetrics) {
      SCOPED_TRACE(name_of(kind, 2500, 48) + ", metric " + std::to_string(static_cast<int>(metric)));
      Memories memories(2500, 48, 11, metric);
      const Sealed sealed(kind, memories);
      EXPECT_GE(recall(*sealed.segment, memories, LiveRows(2500), {.k = 10, .ef = 64}), 0.95);
    }
  }
}

TEST(Segment, FindsNearlyAllOfTwentyThousandRows) {
  for (const Kind kind : kBoth) {
    SCOPED_TRACE(name_of(kind, 20'000, 16));
    Memories memories(20'000, 16, 12);
    const Sealed sealed(kind, memories);
    EXPECT_GE(recall(*sealed.segment, memories, LiveRows(20'000), {.k = 10, .ef = 64}), 0.95);
    EXPECT_GE(recall(*sealed.segment, memories, LiveRows(20'000), {.k = 300, .ef = 400}), 0.95);
  }
}

TEST(Segment, GivesAllRowsWhenMoreAreAskedFor) {
  for (const Kind kind : kBoth) {
    Memories memories(70, 6, 13);
    const Sealed sealed(kind, memories);
    const LiveRows live(70);
    EXPECT_EQ(search(*sealed.segment, {.cue = memories.vector(3), .k = 100}, live).size(), 70U);
    EXPECT_EQ(search(*sealed.segment, {.cue = memories.vector(3), .k = 0}, live).size(), 0U);
  }
}

TEST(Segment, NeverShowsADeadRowAndFindsTheLiveOnesHoweverFew) {
  for (const Kind kind : kBoth) {
    Memories memories(2500, 24, 14);
    const Sealed sealed(kind, memories);
    std::mt19937 random(5);
    LiveRows live(2500);
    for (const std::size_t left : {1500, 400, 25, 3, 0}) {
      SCOPED_TRACE(name_of(kind, left, 24));
      while (live.live_count() > left) live.kill(static_cast<Row>(random() % 2500), 0);
      const std::vector<Hit> hits = search(*sealed.segment, {.cue = memories.vector(9), .k = 20}, live);
      EXPECT_EQ(hits.size(), std::min<std::size_t>(20, left));
      for (const Hit& hit : hits) EXPECT_FALSE(live.dead(hit.row));
      if (left == 0) continue;
      EXPECT_GE(recall(*sealed.segment, memories, live, {.k = 10, .ef = 64}), 0.95);
    }
  }
}

TEST(Segment, CountsARowThatDiedLaterForARecallOfBefore) {
  for (const Kind kind : kBoth) {
    Memories memories(50, 8, 15);
    const Sealed sealed(kind, memories);
    LiveRows live(50);
    for (Row row = 0; row < 50; ++row) live.kill(row, 100);
    EXPECT_EQ(search(*sealed.segment, {.cue = memories.vector(0), .k = 50}, live, 99).size(), 50U);
    EXPECT_EQ(search(*sealed.segment, {.cue = memories.vector(0), .k = 50}, live, 100).size(), 0U);
  }
}

TEST(Segment, FindsWhatIsHiddenAmongCopiesAndTellsCopiesApart) {
  for (const Kind kind : kBoth) {
    for (const Metric metric : kMetrics) {
      SCOPED_TRACE(name_of(kind, 2000, 16) + ", metric " + std::to_string(static_cast<int>(metric)));
      Memories memories(2000, 16, 16, metric);
      for (std::size_t i = 500; i < 2000; ++i) std::copy_n(memories.vector(0), 16, memories.vector(i));
      const Sealed sealed(kind, memories);
      const LiveRows live(2000);
      const std::vector<Hit> copies = search(*sealed.segment, {.cue = memories.vector(0), .k = 50}, live);
      EXPECT_EQ(copies.size(), 50U);
      expect_sound(*sealed.segment, memories, memories.vector(0), copies);
      EXPECT_GE(recall(*sealed.segment, memories, live, {.k = 10, .ef = 64}), 0.9);
    }
  }
}

// All but one element tell nothing, and that one is so large that the codes of the others are all equal.
TEST(Segment, RanksOnFullVectorsWhereTheCodesCannotOrder) {
  for (const Kind kind : kBoth) {
    Memories memories(600, 8, 17);
    for (std::size_t i = 0; i < 600; ++i) memories.vector(i)[3] = 1e6F;
    const Sealed sealed(kind, memories);
    const LiveRows live(600);
    for (std::size_t i = 0; i < 20; ++i) {
      const float* const cue = memories.vector(i * 7);
      const std::vector<Hit> hits = search(*sealed.segment, {.cue = cue, .k = 5}, live);
      ASSERT_EQ(hits.size(), 5U);
      EXPECT_EQ(hits[0].distance, 0.0F);
      EXPECT_EQ(hits[4].distance, memories.nearest(cue, 5, [](std::uint64_t) { return true; })[4]);
    }
  }
}

TEST(Segment, AnswersWithWhatItHasWhenItsTimeIsOver) {
  for (const Kind kind : kBoth) {
    Memories memories(3000, 32, 18);
    const Sealed sealed(kind, memories);
    const LiveRows live(3000);
    Found found;
    Query query{.cue = memories.vector(1),
                .k = 10,
                .ef = 64,
                .deadline = std::chrono::steady_clock::time_point::min()};
    const std::vector<Hit> some = search(*sealed.segment, query, live, 0, &found);
    EXPECT_TRUE(found.truncated);
    expect_sound(*sealed.segment, memories, query.cue, some);
    query.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
    EXPECT_EQ(search(*sealed.segment, query, live, 0, &found).size(), 10U);
    EXPECT_FALSE(found.truncated);
  }
}

TEST(Segment, ReadsFromTheCacheWhatItHasReadBefore) {
  Memories memories(5000, 32, 19);
  const Sealed sealed(Kind::kCold, memories, 2, std::size_t{64} << 20);
  const LiveRows live(5000);
  Found first;
  Found second;
  const Query query{.cue = memories.vector(1), .k = 10, .ef = 8};
  const std::vector<Hit> a = search(*sealed.segment, query, live, 0, &first);
  const std::vector<Hit> b = search(*sealed.segment, query, live, 0, &second);
  EXPECT_GT(first.pages_read, 0U);
  EXPECT_EQ(second.pages_read, 0U);
  EXPECT_EQ(second.pages_hit, first.pages_read);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].row, b[i].row);
}

TEST(Segment, IsTheSameFileWhateverTheThreadsWhenItsOrderIsFixed) {
  Memories memories(1500, 16, 20);
  std::vector<std::vector<std::byte>> files_bytes;
  for (const std::size_t threads : {1, 4}) {
    FaultFileSystem files;
    seal_at(files, Kind::kCold, memories, threads);
    const std::unique_ptr<Mapping> mapping = files.open(kSegment, OpenMode::kRead)->map();
    files_bytes.emplace_back(mapping->bytes().begin(), mapping->bytes().end());
  }
  EXPECT_EQ(files_bytes[0], files_bytes[1]);
}

TEST(Segment, IsSearchedByManyThreadsWhileRowsDie) {
  for (const Kind kind : kBoth) {
    Memories memories(3000, 16, 21);
    const Sealed sealed(kind, memories, 2, 1 << 16);  // a cache too small for all of it
    LiveRows live(3000);
    std::atomic<bool> over{false};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; !over || i < 20; ++i) {
          const float* const cue = memories.vector((i * 31 + static_cast<std::size_t>(t)) % 3000);
          const std::vector<Hit> hits = search(*sealed.segment, {.cue = cue, .k = 10, .ef = 24}, live, 5);
          EXPECT_EQ(hits.size(), 10U);
          expect_sound(*sealed.segment, memories, cue, hits);
        }
      });
    }
    // None that those recalls count: some died before, some die after.
    for (Row row = 0; row < 1500; ++row) live.kill(row, 6 + row % 5);
    live.settle(5);
    for (Row row = 1500; row < 3000; ++row) live.kill(row, 6 + row % 5);
    over = true;
  }
}

TEST(Seal, RefusesWhatCannotBeASegment) {
  FaultFileSystem files;
  Memories memories(3, 4, 22);
  const auto sealing = [&](Shape shape, std::span<const RowIn> rows) {
    seal(files, kSegment, Kind::kWarm, shape, rows, {});
  };
  Shape shape = memories.shape();
  EXPECT_THROW(sealing(shape, {}), InvalidInput);
  shape.dim = 0;
  EXPECT_THROW(sealing(shape, memories.rows()), InvalidInput);
  shape = memories.shape();
  shape.m = 1;
  EXPECT_THROW(sealing(shape, memories.rows()), InvalidInput);
  shape = memories.shape();
  shape.ef_construction = 0;
  EXPECT_THROW(sealing(shape, memories.rows()), InvalidInput);
  const std::string id(kMaxIdLength + 1, 'x');
  memories.rows()[1].id = id;
  EXPECT_THROW(sealing(memories.shape(), memories.rows()), InvalidInput);
  EXPECT_FALSE(files.exists(kSegment));
}

TEST(Seal, LeavesAFileThatIsThereAlone) {
  FaultFileSystem files;
  Memories memories(3, 4, 23);
  seal_at(files, Kind::kWarm, memories);
  EXPECT_THROW(seal_at(files, Kind::kCold, memories), IoError);
  PageCache cache(0);
  expect_all_columns(*Segment::open(files, kSegment, cache), memories);
}

TEST(Seal, LeavesNothingWhenItIsGivenUp) {
  for (const Kind kind : kBoth) {
    FaultFileSystem files;
    Memories memories(900, 16, 24);
    for (int calls = 0;; ++calls) {
      int left = calls;
      const auto give_up = [&](std::uint64_t) {
        if (left-- == 0) throw std::runtime_error("given up");
      };
      try {
        seal(files, kSegment, kind, memories.shape(), memories.rows(), {.threads = 2, .breathe = give_up});
        EXPECT_GT(calls, 1);
        break;
      } catch (const std::runtime_error&) {
        EXPECT_FALSE(files.exists(kSegment));
      }
    }
  }
}

TEST(Seal, LeavesNothingWhenTheDiskFailsOrIsFull) {
  for (const Kind kind : kBoth) {
    Memories memories(500, 16, 25);
    FaultFileSystem whole;
    seal_at(whole, kind, memories);
    for (std::uint64_t call = 0; call < whole.calls(); ++call) {
      for (const int code : {EIO, ENOSPC}) {
        FaultFileSystem files;
        files.fail_at(call, code, false);
        try {
          seal_at(files, kind, memories);
          ADD_FAILURE() << "call " << call << " failed and nobody noticed";
        } catch (const OutOfSpace&) {
          EXPECT_EQ(code, ENOSPC);
        } catch (const IoError& error) {
          EXPECT_EQ(error.code, code);
        }
        EXPECT_FALSE(files.exists(kSegment)) << "call " << call;
      }
    }
  }
}

TEST(Seal, IsWholeAfterAPowerCut) {
  for (const Kind kind : kBoth) {
    std::mt19937_64 random(26);
    FaultFileSystem files;
    Memories memories(300, 16, 26);
    seal_at(files, kind, memories);
    files.sync_folder("/");
    const std::unique_ptr<FaultFileSystem> after = files.after_power_cut(random);
    PageCache cache(0);
    const std::unique_ptr<Segment> segment = Segment::open(*after, kSegment, cache);
    segment->verify();
    expect_all_columns(*segment, memories);
  }
}

}  // namespace
}  // namespace engram::tier
