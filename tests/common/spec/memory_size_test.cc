#include "common/spec/memory_size.h"

#include <gtest/gtest.h>

namespace tutti::spec {
namespace {

TEST(MemorySize, IsANumberAndAUnit) {
  EXPECT_EQ(ParseMemory("6 GB"), 6'000'000'000);
  EXPECT_EQ(ParseMemory("6 GiB"), uint64_t{6} << 30);
  EXPECT_EQ(ParseMemory("1.5 MB"), 1'500'000);
  EXPECT_EQ(ParseMemory("7 B"), 7);
  EXPECT_EQ(ParseMemory("10000 TB"), std::nullopt) << "more than JSON's numbers hold exactly";
  EXPECT_EQ(ParseMemory(""), std::nullopt);
  EXPECT_EQ(ParseMemory("inf GB"), std::nullopt);
}

TEST(MemorySize, IsWrittenSoThatItReadsBackExactly) {
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{6'000'000'000}, uint64_t{6} << 30, uint64_t{123'456'789}}) {
    EXPECT_EQ(ParseMemory(MemoryText(bytes)), bytes) << MemoryText(bytes);
  }
  EXPECT_EQ(MemoryText(6'000'000'000), "6 GB");
  EXPECT_EQ(MemoryText(uint64_t{6} << 30), "6 GiB");
  EXPECT_EQ(MemoryText(1500), "1500 B");
}

// "needs 6 GB, the largest have 6 GB" would explain nothing.
TEST(MemorySize, IsRoundedDownForPeople) {
  EXPECT_EQ(RoundedMemoryText(5'999'999'999), "5.99 GB");
  EXPECT_EQ(RoundedMemoryText(42'949'672'960), "42.94 GB");
  EXPECT_EQ(RoundedMemoryText(4'000'000'000), "4 GB");
  EXPECT_EQ(RoundedMemoryText(2'070'000), "2.07 MB");
  EXPECT_EQ(RoundedMemoryText(12), "12 B");
}

}  // namespace
}  // namespace tutti::spec
