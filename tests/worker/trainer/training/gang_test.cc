// Trainings on several ranks, under mpirun.
#include <gmock/gmock.h>

#include "tests/worker/trainer/training/trainer_runs.h"

namespace tutti::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using protocol::EpochDone;
using protocol::Failed;
using protocol::Started;

// Validation losses and train losses of every epoch, under the given number of ranks.
std::vector<double> Losses(const TrainerRuns& runs, protocol::Task task, int ranks) {
  task.attempt.job.name = task.member->name = fmt::format("{}-{}", task.attempt.job.name, ranks);
  task.folder = task.ensemble_folder / "members" / task.member->name / "attempt-1";
  task.events = task.folder / "events.jsonl";
  Launch launch;
  launch.ranks = ranks;
  const auto outcome = runs.Run(task, launch);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(Of<Started>(outcome.events).at(0).world_size, ranks);
  std::vector<double> losses;
  for (const auto& epoch : Of<EpochDone>(outcome.events)) {
    losses.push_back(epoch.train_loss);
    losses.push_back(*epoch.validation_loss);
  }
  return losses;
}

void ExpectSameAtEveryWidth(const TrainerRuns& runs, const protocol::Task& task, double tolerance) {
  const auto one = Losses(runs, task, 1);
  for (const int ranks : {2, 3}) {
    EXPECT_THAT(Losses(runs, task, ranks), ::testing::Pointwise(::testing::DoubleNear(tolerance), one))
        << ranks << " ranks";
  }
}

TEST(Gang, LeNetLearnsTheSameAtEveryWidthOver100Steps) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("lenet5");
  task.member->training.length = 10;
  task.member->training.optimizer.parameters["lr"] = 0.02;
  task.shards = 3;
  ExpectSameAtEveryWidth(runs, task, 1e-4);
}

// With batch norm the shards decide: each has its own statistics wherever it runs.
TEST(Gang, ResNetLearnsTheSameAtEveryWidth) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("resnet8");
  task.member->model = {"resnet8", {{"width", 4}, {"dropout", 0.0}, {"init", "torch"}}};
  task.member->training.optimizer.parameters["lr"] = 0.02;
  task.member->training.length = 2;
  task.shards = 3;
  ExpectSameAtEveryWidth(runs, task, 1e-3);
}

// Each shard draws from a generator of its own, seeded anew each step.
TEST(Gang, DropoutFallsTheSameAtEveryWidth) {
  const TrainerRuns runs;
  auto task = runs.MakeRichTask("mlp");
  task.member->training.length = 2;
  task.shards = 3;
  ExpectSameAtEveryWidth(runs, task, 1e-4);
}

// 1,100 samples are three batches, the last a small one, spread over the ranks.
TEST(Gang, PredictsTheSameBitsAtEveryWidth) {
  const TrainerRuns runs;
  const auto first = runs.MakeTask("a");
  ASSERT_EQ(runs.Run(first).exit_code, 0);
  auto again = first;
  for (const int ranks : {1, 2, 3}) {
    again = runs.Retry(again);
    Launch launch;
    launch.ranks = ranks;
    const auto outcome = runs.Run(again, launch);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    EXPECT_EQ(Predictions(again, "last", Split::kValidation), Predictions(first, "last", Split::kValidation))
        << ranks << " ranks";
  }
}

TEST(Gang, RanksWithoutAShardTakePart) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.shards = 1;
  task.member->training.length = 1;
  ExpectSameAtEveryWidth(runs, task, 1e-4);
}

TEST(Gang, StopsTogetherAndResumesBitForBit) {
  const TrainerRuns runs;
  Launch two;
  two.ranks = 2;
  const auto undisturbed = runs.MakeRichTask("undisturbed");
  ASSERT_EQ(runs.Run(undisturbed, two).exit_code, 0);

  auto task = runs.MakeRichTask("stopped");
  Launch stop = two;
  stop.signal_on_step = 5;
  const auto stopped = runs.Run(task, stop);
  ASSERT_EQ(stopped.exit_code, protocol::kExitStopped) << stopped.errors;
  task = runs.Retry(task);
  const auto end = runs.Run(task, two);
  ASSERT_EQ(end.exit_code, 0) << end.errors;
  ExpectSameEnd(runs, undisturbed, task);
}

TEST(Gang, DivergesTogetherAndSaysSo) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.shards = 2;
  task.member->training.optimizer.parameters["lr"] = 1e20;
  Launch launch;
  launch.ranks = 2;
  const auto outcome = runs.Run(task, launch);
  EXPECT_EQ(outcome.exit_code, protocol::kExitDiverged) << outcome.errors;
  EXPECT_THAT(Of<Failed>(outcome.events), SizeIs(1));
}

TEST(Gang, ARankThatCannotBeginEndsAllWithItsReason) {
  const TrainerRuns runs;
  const auto task = runs.MakeTask("a");
  auto of_rank_1 = task;
  of_rank_1.attempt.number = 2;  // for a file of its own
  of_rank_1.data.path = runs.root() / "nowhere";
  const auto outcome = runs.RunRanks({runs.WriteTask(task), runs.WriteTask(of_rank_1)}, task.events);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadData) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("nowhere"));
  const auto failed = Of<Failed>(outcome.events);
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_THAT(failed[0].error, HasSubstr("rank 1 could not begin"));
}

}  // namespace
}  // namespace tutti::trainer
