#include "wal/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "wal/format.h"

namespace engram::wal {
namespace {

// A record of `length` bytes of `fill`, published.
void put(Ring& ring, std::uint32_t length, std::byte fill, std::uint64_t mark) {
  const Ring::Place place = ring.reserve(record_bytes(length));
  store_le(place.bytes, std::uint32_t{0});
  store_le(place.bytes + 4, length);
  store_le(place.bytes + 8, mark);
  std::fill_n(place.bytes + kRecordHeaderBytes, record_bytes(length) - kRecordHeaderBytes, fill);
  ring.publish(place);
}

TEST(Ring, TakesOnlyWhatIsPublishedWithoutAGap) {
  Ring ring(4096);
  const Ring::Place first = ring.reserve(record_bytes(8));
  put(ring, 8, std::byte{2}, 2);
  EXPECT_FALSE(ring.ready());
  EXPECT_TRUE(ring.take().records.empty());
  store_le(first.bytes + 4, std::uint32_t{8});
  ring.publish(first);
  EXPECT_TRUE(ring.ready());
  EXPECT_EQ(ring.first(), first.bytes);
  const Ring::Run& run = ring.take();
  ASSERT_EQ(run.records.size(), 2u);
  EXPECT_EQ(run.bytes, 2 * record_bytes(8));
  EXPECT_EQ(load_le<std::uint64_t>(run.records[1] + 8), 2u);
  EXPECT_FALSE(ring.ready());
  ring.release();
  EXPECT_EQ(ring.used(), 0u);
}

TEST(Ring, ARecordThatWouldNotFitBeforeTheEndBeginsAtTheStart) {
  Ring ring(4096);
  for (int i = 0; i < 3; ++i) put(ring, 1000, std::byte{1}, 1);  // 1016 bytes each
  ring.take();
  ring.release();
  put(ring, 24, std::byte{2}, 2);    // up to 3088
  put(ring, 1496, std::byte{3}, 3);  // 1512 would end at 4600
  EXPECT_TRUE(ring.ready());
  const Ring::Run& run = ring.take();
  ASSERT_EQ(run.records.size(), 2u);
  EXPECT_EQ(run.parts[0].size(), record_bytes(24));
  EXPECT_EQ(run.parts[1].size(), record_bytes(1496));
  EXPECT_EQ(run.bytes, record_bytes(24) + record_bytes(1496));
  EXPECT_EQ(run.parts[1].data(), run.records[1]);
  EXPECT_LT(run.records[1], run.records[0]);
}

// Writers of all sizes beside one taker: each record comes out once, whole, in the order its writer put it.
TEST(Ring, ManyWritersAndOneTakerLoseNothing) {
  constexpr std::size_t kWriters = 4;
  constexpr std::uint64_t kEach = 5000;
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Ring ring(8192);
  std::vector<std::thread> writers;
  for (std::size_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&ring, w, random = std::mt19937_64(seed + w)]() mutable {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const std::uint64_t limit = random() % 20 == 0 ? ring.largest_record() - kRecordHeaderBytes : 200;
        put(ring, static_cast<std::uint32_t>(random() % (limit + 1)), static_cast<std::byte>(w), i << 8 | w);
      }
    });
  }
  std::vector<std::uint64_t> next(kWriters);
  for (std::uint64_t taken = 0; taken < kWriters * kEach;) {
    const Ring::Run& run = ring.take();
    std::size_t bytes = 0;
    for (const std::byte* record : run.records) {
      const auto length = load_le<std::uint32_t>(record + 4);
      const auto mark = load_le<std::uint64_t>(record + 8);
      const std::size_t w = mark & 0xFF;
      ASSERT_LT(w, kWriters);
      ASSERT_EQ(mark >> 8, next[w]++);
      const Bytes body(record + kRecordHeaderBytes, length);
      ASSERT_TRUE(
          std::ranges::all_of(body, [w](std::byte byte) { return byte == static_cast<std::byte>(w); }));
      bytes += record_bytes(length);
    }
    ASSERT_EQ(bytes, run.bytes);
    ASSERT_EQ(bytes, run.parts[0].size() + run.parts[1].size());
    taken += run.records.size();
    if (run.records.empty()) std::this_thread::yield();
    ring.release();
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(ring.used(), 0u);
  EXPECT_EQ(ring.arrived(), 0u);
}

}  // namespace
}  // namespace engram::wal
