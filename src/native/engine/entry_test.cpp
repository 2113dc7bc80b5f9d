#include "engine/entry.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "base/error.h"

namespace engram::engine {
namespace {

constexpr std::size_t kDim = 3;

Entry example(const std::array<float, kDim>& vector) {
  Entry entry;
  entry.id = "m1";
  entry.vector = reinterpret_cast<const std::byte*>(vector.data());
  entry.content = "The mitochondria";
  entry.metadata = "{\"topic\": \"biology\"}";
  entry.confidence = 0.75;
  entry.created_at = 1.5e9;
  return entry;
}

TEST(Entry, ABatchComesBackAsItWasWrittenEachEntryAtItsOffset) {
  const std::array<float, kDim> vector{1.5f, -2.0f, 3.25f};
  Entry bare = example(vector);
  bare.content.reset();
  bare.metadata = "";
  std::vector<std::byte> payload;
  encode(example(vector), kDim, payload);
  encode(bare, kDim, payload);

  const std::vector<Decoded> entries = decode(payload, kDim, "log");

  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].offset, 0u);
  EXPECT_EQ(entries[1].offset, encoded_size(example(vector), kDim));
  EXPECT_EQ(entries[0].entry.content, "The mitochondria");
  EXPECT_EQ(entries[0].entry.confidence, 0.75);
  EXPECT_FALSE(entries[1].entry.content.has_value());
  EXPECT_EQ(entries[1].entry.metadata, "");  // empty is not absent
  EXPECT_EQ(std::memcmp(entries[1].entry.vector, vector.data(), sizeof vector), 0);
  EXPECT_EQ(entries[1].entry.vector, payload.data() + vector_offset(entries[1].offset));
}

TEST(Entry, AForgetHoldsNoVector) {
  Entry entry;
  entry.op = Op::kForget;
  entry.id = "gone";
  std::vector<std::byte> payload;
  encode(entry, kDim, payload);
  const std::vector<Decoded> entries = decode(payload, kDim, "log");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].entry.op, Op::kForget);
  EXPECT_EQ(entries[0].entry.vector, nullptr);
}

TEST(Entry, WhatIsNotAnEntryIsCorruptionAndNeverReadPastItsEnd) {
  const std::array<float, kDim> vector{1, 2, 3};
  std::vector<std::byte> payload;
  encode(example(vector), kDim, payload);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const std::vector<std::byte> cut(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(decode(cut, kDim, "log"), CorruptionError) << size;
  }
  EXPECT_THROW(decode(payload, kDim + 1, "log"), CorruptionError);
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> noise(payload);
    for (int flips = 0; flips < 3; ++flips) noise[random() % noise.size()] = static_cast<std::byte>(random());
    try {
      std::vector<std::byte> again;
      for (const Decoded& decoded : decode(noise, kDim, "log")) encode(decoded.entry, kDim, again);
      ASSERT_EQ(again, noise) << "round " << round;
    } catch (const CorruptionError&) {  // as it should be
    }
  }
}

}  // namespace
}  // namespace engram::engine
