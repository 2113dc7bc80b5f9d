// Which table is chosen, and what a wrong choice is told.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "simd/test_support.h"

namespace engram::simd::test {
namespace {

TEST(Table, TheScalarTableIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available().empty());
  EXPECT_EQ(available().front(), &kScalarKernels);
}

TEST(Table, NamesAreDistinctAndNothingIsMissing) {
  std::set<std::string_view> names;
  for (const Kernels* table : available()) {
    EXPECT_TRUE(names.insert(table->name).second) << table->name;
    EXPECT_TRUE(table->l2 && table->dot && table->cosine && table->l2_rows && table->dot_rows &&
                table->cosine_rows && table->dot_u8s8 && table->l2_u8 && table->score_codes &&
                table->select_below && table->rank && table->f16_to_f32 && table->f32_to_f16 &&
                table->bf16_to_f32 && table->f32_to_bf16)
        << table->name;
  }
}

TEST(Table, TheFastestIsChosenWhenNothingIsAsked) {
  EXPECT_EQ(&choose(nullptr), available().back());
  EXPECT_EQ(&choose(""), available().back());
}

TEST(Table, EveryTableCanBeAskedForByName) {
  for (const Kernels* table : available()) EXPECT_EQ(&choose(std::string(table->name).c_str()), table);
}

TEST(Table, AnUnknownNameIsRefusedWithTheKnownOnes) {
  try {
    choose("sse9");
    FAIL() << "sse9 was taken";
  } catch (const InvalidInput& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("ENGRAM_ISA is \"sse9\""), std::string::npos) << message;
    for (const Kernels* table : available())
      EXPECT_NE(message.find(table->name), std::string::npos) << message;
  }
}

TEST(Table, TheActiveOneIsOneOfThem) {
  EXPECT_EQ(std::ranges::count(available(), &active()), 1);
  EXPECT_EQ(&active(), &choose(std::getenv("ENGRAM_ISA")));
}

}  // namespace
}  // namespace engram::simd::test
