// Members that ask for memory of their slots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kGigabyte = 1'000'000'000;

MemberSketch Large() { return {.name = "large", .slot_memory_bytes = 6 * kGigabyte}; }

void JoinWith(Stage& stage, const std::string& worker, int slots, uint64_t slot_memory_bytes, int incarnation = 1) {
  stage.Join(worker, slots, {}, incarnation, "", slot_memory_bytes);
}

// The inspection, which asks for none, ran on n1, whose slots are too small for "large".
Stage Waiting() {
  Stage stage;
  stage.Submit({Large()});
  JoinWith(stage, "n1", 2, 4 * kGigabyte);
  stage.Inspect();
  return stage;
}

TEST(SlotMemory, IsWaitedForWithItsReason) {
  Stage stage = Waiting();
  EXPECT_EQ(stage.core.Why(JobNamed("large")), "needs slots of 6 GB, the largest have 4 GB");
  stage.Forget();
  JoinWith(stage, "n2", 1, 8 * kGigabyte);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("large", 1)));
  EXPECT_THAT(stage.attempt(AttemptOf("large", 1)).gang, ElementsAre(SlotId{WorkerId("n2"), 0}));
}

TEST(SlotMemory, IsRememberedAcrossARestartOfTheCoordinator) {
  Stage stage = Waiting();
  stage.Restart();
  stage.Forget();
  JoinWith(stage, "n1", 2, 4 * kGigabyte, 2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  EXPECT_EQ(stage.core.Why(JobNamed("large")), "needs slots of 6 GB, the largest have 4 GB");
}

TEST(SlotMemory, CountsAsTheWorkersNewProcessTellsIt) {
  Stage stage = Waiting();
  stage.Forget();
  JoinWith(stage, "n1", 1, 8 * kGigabyte, 2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("large", 1)));
}

}  // namespace
}  // namespace tutti::core
