// Tasks that are refused and trainings that fail: each with its exit code and a sentence.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/worker/trainer/training/trainer_runs.h"

namespace tutti::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using protocol::CheckpointWritten;
using protocol::EpochDone;
using protocol::Failed;
using protocol::PredictionsWritten;
using spec::TrainingSpec;

TEST(Training, ALossThatIsNotFiniteEndsItAsDivergedWithTheStep) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->training.optimizer.parameters["lr"] = 1e20;
  task.member->training.schedule = {"constant", Json::object()};
  const auto outcome = runs.Run(task);
  EXPECT_EQ(outcome.exit_code, protocol::kExitDiverged);
  const auto failed = Of<Failed>(outcome.events);
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_THAT(failed[0].error, HasSubstr("at step 2 (epoch 1)"));
  EXPECT_THAT(outcome.errors, HasSubstr("diverged"));
}

TEST(Training, AFullDiskEndsItAsAnIoFailureAndLeavesNoHalfCheckpoint) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  ASSERT_EQ(runs.Run(runs.MakeTask("fills-the-cache")).exit_code, 0);
  Launch launch;
  launch.file_size_limit = 100'000;  // a model of LeNet-5 has 250 kB
  const auto outcome = runs.Run(task, launch);
  EXPECT_EQ(outcome.exit_code, protocol::kExitIo) << outcome.errors;
  EXPECT_THAT(Of<Failed>(outcome.events), SizeIs(1));
  EXPECT_THAT(Of<CheckpointWritten>(outcome.events), IsEmpty());
  EXPECT_FALSE(runs.Retry(task).resume_from.has_value());
}

TEST(Training, DataThatChangedAreRefused) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.data_hash = "00000000000000000000000000000000";
  const auto outcome = runs.Run(task);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadData);
  EXPECT_THAT(Of<Failed>(outcome.events).at(0).error, HasSubstr("changed"));
}

TEST(Training, MissingDataAreBadData) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.data.path = runs.root() / "nowhere";
  const auto outcome = runs.Run(task);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadData);
  EXPECT_THAT(Of<Failed>(outcome.events).at(0).error, HasSubstr("nowhere"));
}

TEST(Training, BadTasksAreRefusedInASentence) {
  const TrainerRuns runs;
  const auto file = runs.root() / "task.json";
  std::ofstream(file) << "{\"version\": 1";
  const auto torn = runs.RunFile(file, runs.root() / "none");
  EXPECT_EQ(torn.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(torn.errors, HasSubstr("task.json"));
  EXPECT_EQ(runs.RunFile(runs.root() / "missing.json", runs.root() / "none").exit_code, protocol::kExitBadTask);

  auto no_split = runs.MakeTask("no-split");
  no_split.split = runs.root() / "missing.safetensors";
  const auto outcome = runs.Run(no_split);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(Of<Failed>(outcome.events).at(0).error, HasSubstr("missing.safetensors"));
}

// A retry may find what a disk did not give this time.
TEST(Training, ATaskThatTheDiskDoesNotGiveIsNoBadTask) {
  const TrainerRuns runs;
  const auto loop = runs.root() / "loop.json";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_EQ(runs.RunFile(loop, runs.root() / "none").exit_code, protocol::kExitIo);
}

TEST(Training, AnAttemptThatRanBeforeIsNotOverwritten) {
  const TrainerRuns runs;
  const auto task = runs.MakeTask("a");
  ASSERT_EQ(runs.Run(task).exit_code, 0);
  const auto again = runs.Run(task);
  EXPECT_EQ(again.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(again.errors, HasSubstr("resume_from"));
}

TEST(Training, NotEnoughMemoryIsItsOwnExitCode) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->model = {"mlp", {{"hidden", Json::array({30'000, 30'000})}, {"dropout", 0.0}, {"init", "torch"}}};
  Launch launch;
  launch.memory_limit = uint64_t{3} << 30;
  const auto outcome = runs.Run(task, launch);
  EXPECT_EQ(outcome.exit_code, protocol::kExitOutOfMemory) << outcome.errors;
  const std::string error = Of<Failed>(outcome.events).at(0).error;
  EXPECT_THAT(error, HasSubstr("out of memory"));
  EXPECT_THAT(error, Not(HasSubstr("frame #"))) << "a sentence, not a stack";
}

TEST(Training, NothingToValidateOnIsNoMistake) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.split = runs.root() / "training-only.safetensors";
  WriteSplit(task.split, {.training = 64});
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_FALSE(Of<EpochDone>(outcome.events).back().validation_loss.has_value());
  EXPECT_THAT(Of<PredictionsWritten>(outcome.events), IsEmpty());

  task = runs.MakeTask("b");
  task.split = runs.root() / "training-only.safetensors";
  task.member->training.predict = TrainingSpec::Predict::kBest;
  EXPECT_EQ(runs.Run(task).exit_code, protocol::kExitBadTask) << "nothing tells which is the best";
}

TEST(Training, SamplesBeyondTheDataAreABadTask) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.split = runs.root() / "beyond.safetensors";
  WriteSplit(task.split, {.training = 100'000});
  const auto outcome = runs.Run(task);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(Of<Failed>(outcome.events).at(0).error, HasSubstr("training part names sample"));
}

}  // namespace
}  // namespace tutti::trainer
