#include "wal/patience.h"

#include <gtest/gtest.h>

namespace engram::wal {
namespace {

using std::chrono::microseconds;

constexpr microseconds kSync{100};

void disappoint(Patience& patience, int times) {
  for (int i = 0; i < times; ++i) {
    ASSERT_TRUE(patience.wants_to_wait(kSync)) << i;
    patience.they_did_not_come();
  }
}

// How many groups go by until it waits again.
int rest_of(Patience& patience) {
  int groups = 0;
  while (!patience.wants_to_wait(kSync)) ++groups;
  return groups;
}

TEST(Patience, OneLatecomerNowAndThenDoesNotEndIt) {
  Patience patience;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(patience.wants_to_wait(kSync)) << i;
    i % 3 == 0 ? patience.they_did_not_come() : patience.they_came();
  }
}

TEST(Patience, RestsWhenNobodyComesAndTriesAgain) {
  Patience patience;
  disappoint(patience, Patience::kMostTrust);
  EXPECT_EQ(rest_of(patience), Patience::kRest);
  patience.they_did_not_come();
  EXPECT_EQ(rest_of(patience), Patience::kRest);
}

TEST(Patience, TrustIsWonBackByThoseWhoCome) {
  Patience patience;
  disappoint(patience, Patience::kMostTrust);
  EXPECT_EQ(rest_of(patience), Patience::kRest);
  for (int i = 0; i < 100; ++i) patience.they_came();
  disappoint(patience, Patience::kMostTrust);
  EXPECT_FALSE(patience.wants_to_wait(kSync));
}

TEST(Patience, NeverWaitsForLongerThanASyncNorForAShortOne) {
  Patience patience;
  EXPECT_FALSE(patience.wants_to_wait(microseconds(0)));
  EXPECT_FALSE(patience.wants_to_wait(Patience::kLeastSync - microseconds(1)));
  EXPECT_EQ(Patience::limit(kSync), kSync);
  EXPECT_EQ(Patience::limit(std::chrono::seconds(1)), Patience::kMost);
}

}  // namespace
}  // namespace engram::wal
