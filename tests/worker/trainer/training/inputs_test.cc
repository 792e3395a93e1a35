#include "worker/trainer/training/inputs.h"

#include <gtest/gtest.h>

#include "common/protocol/trainer_events.h"
#include "tests/support/faulty_file_system.h"
#include "tests/worker/trainer/training/trainer_runs.h"
#include "worker/trainer/training/failure.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kSamples = TrainerRuns::kTraining + TrainerRuns::kValidation + TrainerRuns::kTest;

// A member that ends for good ends an ensemble: what the disk did once is tried again.
TEST(SampleIds, AreNoBadTaskWhenTheDiskDoesNotGiveThem) {
  const TrainerRuns runs;
  const auto split = runs.MakeTask("a").split;
  testing::FaultyFileSystem whole(PosixFileSystem());
  ASSERT_TRUE(ReadSampleIds(whole, split, kSamples));
  ASSERT_GT(whole.operations(), 0);
  for (int64_t operation = 1; operation <= whole.operations(); ++operation) {
    for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kDenied}) {
      testing::FaultyFileSystem disk(PosixFileSystem());
      disk.FailAt(operation, code);
      const auto ids = ReadSampleIds(disk, split, kSamples);
      ASSERT_FALSE(ids);
      EXPECT_EQ(ExitCodeOf(ids.error().code), protocol::kExitIo) << ids.error().Text();
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
