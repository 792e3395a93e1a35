// A training that was killed, stopped or finished, and goes on from its newest checkpoint.
#include <gmock/gmock.h>

#include <random>

#include "tests/worker/trainer/training/trainer_runs.h"

namespace tutti::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using protocol::CheckpointWritten;
using protocol::EpochDone;
using protocol::Started;
using protocol::StoppedEarly;
using spec::TrainingSpec;

TEST(Resume, AfterKillsAtAnyMomentEndsBitForBitAsUndisturbed) {
  const TrainerRuns runs;
  const auto undisturbed = runs.MakeRichTask("undisturbed");
  const auto whole = runs.Run(undisturbed);
  ASSERT_EQ(whole.exit_code, 0) << whole.errors;
  const uint64_t event_bytes = std::filesystem::file_size(undisturbed.events);

  std::mt19937_64 random(20260301);
  auto task = runs.MakeRichTask("killed");
  int kills = 0;
  for (; kills < 5; ++kills) {
    Launch launch;
    launch.kill_at_bytes = 1 + random() % (event_bytes / 4);
    if (runs.Run(task, launch).exit_code == 0) break;
    task = runs.Retry(task);
  }
  EXPECT_GE(kills, 2) << "the test must kill to mean something";
  EXPECT_TRUE(task.resume_from.has_value()) << "and to leave something to go on from";
  const auto end = runs.Run(task);
  ASSERT_EQ(end.exit_code, 0) << end.errors;
  ExpectSameEnd(runs, undisturbed, task);

  // The first epoch of the last attempt was under way when the one before it died.
  const auto epochs = Of<EpochDone>(end.events);
  const auto expected = Of<EpochDone>(whole.events);
  ASSERT_THAT(epochs, Not(IsEmpty()));
  for (const EpochDone& epoch : epochs) {
    EXPECT_EQ(epoch.train_loss, expected.at(static_cast<size_t>(epoch.epoch - 1)).train_loss);
    EXPECT_EQ(epoch.validation_loss, expected.at(static_cast<size_t>(epoch.epoch - 1)).validation_loss);
  }
}

TEST(Resume, AfterAStopEndsBitForBitAsUndisturbed) {
  const TrainerRuns runs;
  const auto undisturbed = runs.MakeRichTask("undisturbed");
  ASSERT_EQ(runs.Run(undisturbed).exit_code, 0);

  auto task = runs.MakeRichTask("stopped");
  Launch launch;
  launch.signal_on_step = 5;
  const auto stopped = runs.Run(task, launch);
  ASSERT_EQ(stopped.exit_code, protocol::kExitStopped) << stopped.errors;
  ASSERT_TRUE(std::holds_alternative<StoppedEarly>(stopped.events.back())) << "repeated signals change nothing";
  EXPECT_EQ(Of<CheckpointWritten>(stopped.events).back().step, Of<StoppedEarly>(stopped.events)[0].step);

  task = runs.Retry(task);
  const auto end = runs.Run(task);
  ASSERT_EQ(end.exit_code, 0) << end.errors;
  EXPECT_EQ(Of<Started>(end.events)[0].step, Of<StoppedEarly>(stopped.events)[0].step);
  ExpectSameEnd(runs, undisturbed, task);
}

TEST(Resume, OfAFinishedTrainingPredictsAgainAndLeavesACheckpointOfItsOwn) {
  const TrainerRuns runs;
  const auto first = runs.MakeRichTask("a");
  ASSERT_EQ(runs.Run(first).exit_code, 0);
  const auto second = runs.Retry(first);
  const auto outcome = runs.Run(second);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(Of<EpochDone>(outcome.events), IsEmpty());
  EXPECT_THAT(Of<CheckpointWritten>(outcome.events), SizeIs(1));
  ExpectSameEnd(runs, first, second);
}

TEST(Resume, WorksForAdamToo) {
  const TrainerRuns runs;
  const auto with_adam = [&](const std::string& name) {
    auto task = runs.MakeRichTask(name);
    task.member->training.optimizer = {
        "adamw", {{"lr", 0.002}, {"beta1", 0.9}, {"beta2", 0.999}, {"eps", 1e-8}, {"weight_decay", 0.01}}};
    task.member->training.clip_norm = 1.0;
    return task;
  };
  const auto undisturbed = with_adam("undisturbed");
  ASSERT_EQ(runs.Run(undisturbed).exit_code, 0);
  auto task = with_adam("stopped");
  Launch launch;
  launch.signal_on_step = 5;
  ASSERT_EQ(runs.Run(task, launch).exit_code, protocol::kExitStopped);
  task = runs.Retry(task);
  ASSERT_EQ(runs.Run(task).exit_code, 0);
  ExpectSameEnd(runs, undisturbed, task);
}

TEST(Resume, FromAnotherMembersOrABrokenCheckpointIsRefused) {
  const TrainerRuns runs;
  const auto first = runs.MakeTask("a");
  ASSERT_EQ(runs.Run(first).exit_code, 0);
  auto other_seed = runs.Retry(first);
  other_seed.member->seed = 9;
  EXPECT_EQ(runs.Run(other_seed).exit_code, protocol::kExitBadTask);

  auto broken = runs.Retry(first);
  ++broken.attempt.number;
  std::filesystem::resize_file(*broken.resume_from / "training.safetensors", 100);
  const auto outcome = runs.Run(broken);
  EXPECT_EQ(outcome.exit_code, protocol::kExitIo) << "another checkpoint may be whole: worth another try";
  EXPECT_THAT(outcome.errors, HasSubstr("training.safetensors"));
}

TEST(Training, TheBestModelIsRefusedAtOnceWhereNoValidationCanTellItAnyMore) {
  const TrainerRuns runs;
  const auto first = runs.MakeTask("a");
  ASSERT_EQ(runs.Run(first).exit_code, 0);
  auto task = runs.Retry(first);
  task.member->training.predict = TrainingSpec::Predict::kBest;
  const auto outcome = runs.Run(task);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(outcome.errors, HasSubstr("training.predict is best"));
  EXPECT_THAT(Of<Started>(outcome.events), IsEmpty());
}

}  // namespace
}  // namespace tutti::trainer
