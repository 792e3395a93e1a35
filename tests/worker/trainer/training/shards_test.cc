#include "worker/trainer/training/shards.h"

#include <gmock/gmock.h>

#include <set>

namespace tutti::trainer {
namespace {

TEST(PartOf, CoversTheWholeInOrderWithNothingTwice) {
  for (int64_t size = 0; size < 20; ++size) {
    for (int64_t parts = 1; parts < 8; ++parts) {
      int64_t next = 100;
      for (int64_t part = 0; part < parts; ++part) {
        const Range range = PartOf({100, 100 + size}, part, parts);
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.size(), size / parts);
        EXPECT_LE(range.size(), size / parts + 1);
        next = range.end;
      }
      EXPECT_EQ(next, 100 + size);
    }
  }
}

// Rank 0 must have shard 0, and shard 0 samples: running statistics come from there.
TEST(PartOf, TheFirstPartIsNeverEmptyUnlessAllAre) {
  for (int64_t parts = 1; parts < 8; ++parts) EXPECT_EQ(PartOf({0, 1}, 0, parts), (Range{0, 1}));
}

TEST(ShardSeed, DiffersByEachOfItsParts) {
  std::set<uint64_t> seeds;
  for (int64_t seed = 0; seed < 5; ++seed) {
    for (int64_t step = 0; step < 5; ++step) {
      for (int64_t shard = 0; shard < 5; ++shard) seeds.insert(ShardSeed(seed, step, shard) & 0xffffffff);
    }
  }
  EXPECT_EQ(seeds.size(), 125u);
}

TEST(Plan, TheLastBatchOfAnEpochIsSmaller) {
  const Plan plan{.samples = 10, .batch_size = 4, .steps_per_epoch = 3, .total_steps = 7};
  EXPECT_EQ(plan.Batch(0), (Range{0, 4}));
  EXPECT_EQ(plan.Batch(2), (Range{8, 10}));
  EXPECT_EQ(plan.Batch(3), (Range{0, 4}));
  EXPECT_EQ(plan.EpochOf(3), 1);
}

TEST(Plan, AnEpochEndsAtItsLastStepAndAtTheTrainings) {
  const Plan plan{.samples = 10, .batch_size = 4, .steps_per_epoch = 3, .total_steps = 7};
  EXPECT_FALSE(plan.EndsEpoch(2));
  EXPECT_TRUE(plan.EndsEpoch(3));
  EXPECT_TRUE(plan.EndsEpoch(7));
}

}  // namespace
}  // namespace tutti::trainer
