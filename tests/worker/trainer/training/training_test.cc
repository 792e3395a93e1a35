// The real program on small data: what a person sees who starts it by hand, kills it, and starts it again.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <random>

#include "common/tensors/tensor_file.h"
#include "tests/worker/trainer/training/trainer_runs.h"

namespace tutti::trainer {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using protocol::CheckpointWritten;
using protocol::EpochDone;
using protocol::Failed;
using protocol::Finished;
using protocol::PredictionsWritten;
using protocol::Started;
using protocol::StoppedEarly;
using spec::CheckpointSpec;
using spec::TrainingSpec;

// 300 samples in batches of 32: 9 whole ones and one of 12.
constexpr int64_t kStepsPerEpoch = 10;
constexpr int64_t kLastStep = 3 * kStepsPerEpoch;

TEST(Training, TellsItsWholeStoryInOrder) {
  const TrainerRuns runs;
  const auto outcome = runs.Run(runs.MakeTask("a"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;

  const auto started = Of<Started>(outcome.events);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(started[0].step, 0);
  EXPECT_EQ(started[0].total_steps, kLastStep);
  EXPECT_EQ(started[0].steps_per_epoch, kStepsPerEpoch);
  EXPECT_TRUE(started[0].provenance.contains("libtorch"));

  const auto epochs = Of<EpochDone>(outcome.events);
  ASSERT_THAT(epochs, SizeIs(3));
  EXPECT_EQ(epochs[0].epoch, 1);
  EXPECT_EQ(epochs[2].step, kLastStep);
  EXPECT_LT(epochs[2].train_loss, epochs[0].train_loss);
  EXPECT_GT(*epochs[2].validation_accuracy, 0.9) << "bars of light are easy to tell apart";
  EXPECT_GT(epochs[0].images_per_second, 0);
  EXPECT_GT(epochs[0].train_seconds, 0);

  std::vector<int64_t> checkpoints;
  for (const auto& written : Of<CheckpointWritten>(outcome.events)) checkpoints.push_back(written.step);
  EXPECT_THAT(checkpoints, ElementsAre(10, 20, 30));
  const auto finished = Of<Finished>(outcome.events);
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_EQ(finished[0].step, kLastStep);
  EXPECT_NEAR(finished[0].train_seconds, epochs[0].train_seconds + epochs[1].train_seconds + epochs[2].train_seconds,
              1e-9);
  EXPECT_GT(finished[0].seconds, finished[0].train_seconds) << "validation and predictions take time too";
  EXPECT_TRUE(std::holds_alternative<Finished>(outcome.events.back()));
}

TEST(Training, CheckpointsAreWhereTheirEventsSayAndCarryTheirMetrics) {
  const TrainerRuns runs;
  const auto task = runs.MakeTask("a");
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto written = Of<CheckpointWritten>(outcome.events).back();
  EXPECT_EQ(written.folder, "members/a/attempt-1/step-00000030");
  EXPECT_EQ(written.epoch, 3);
  EXPECT_EQ(written.validation_loss, Of<EpochDone>(outcome.events).back().validation_loss);
  const auto model =
      tensors::TensorFile::Read(PosixFileSystem(), task.ensemble_folder / written.folder / "model.safetensors");
  ASSERT_TRUE(model) << model.error().Text();
  EXPECT_TRUE(model->Get("conv1.weight", tensors::DType::kF32, std::vector<int64_t>{6, 1, 5, 5}));
  EXPECT_TRUE(model->metadata().contains("normalization"));
}

TEST(Training, PredictionsHoldFiniteLogitsOfEverySampleInTheOrderOfTheSplit) {
  const TrainerRuns runs;
  const auto task = runs.MakeTask("a");
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto predictions = Of<PredictionsWritten>(outcome.events);
  ASSERT_THAT(predictions, SizeIs(2)) << "validation and test; there is no calibration split";
  EXPECT_EQ(predictions[0].file, "members/a/attempt-1/predictions/last/validation.safetensors");
  EXPECT_EQ(predictions[0].split, Split::kValidation);
  EXPECT_EQ(predictions[1].split, Split::kTest);
  EXPECT_EQ(predictions[1].samples, TrainerRuns::kTest);
  EXPECT_EQ(predictions[1].step, kLastStep);

  const auto file = tensors::TensorFile::Read(PosixFileSystem(), task.ensemble_folder / predictions[1].file);
  ASSERT_TRUE(file);
  const auto logits = file->Get("logits", tensors::DType::kF32, std::vector<int64_t>{TrainerRuns::kTest, 10});
  ASSERT_TRUE(logits) << logits.error().Text();
  for (const float logit : logits->As<float>()) EXPECT_TRUE(std::isfinite(logit));
  const auto ids = *file->Get("ids", tensors::DType::kI64, std::vector<int64_t>{TrainerRuns::kTest});
  EXPECT_EQ(ids.As<int64_t>()[0], TrainerRuns::kTraining + TrainerRuns::kValidation);
  int correct = 0;
  for (size_t i = 0; i < ids.As<int64_t>().size(); ++i) {
    const auto row = logits->As<float>().subspan(i * 10, 10);
    correct += std::ranges::max_element(row) - row.begin() == static_cast<int64_t>(i % 10) ? 1 : 0;
  }
  EXPECT_GT(correct, 25) << "test images are told apart too";
}

TEST(Training, SameSeedGivesTheSameBitsAndAnotherSeedOthers) {
  const TrainerRuns runs;
  auto a = runs.MakeTask("a");
  auto b = runs.MakeTask("b");
  auto other = runs.MakeTask("other");
  other.member->seed = 4;
  for (auto* task : {&a, &b, &other}) {
    task->member->augment = {{"flip", {{"direction", "horizontal"}}}};
    ASSERT_EQ(runs.Run(*task).exit_code, 0);
  }
  EXPECT_EQ(runs.ModelAt(a, kLastStep), runs.ModelAt(b, kLastStep));
  EXPECT_EQ(runs.TrainingTensorsAt(a, kLastStep), runs.TrainingTensorsAt(b, kLastStep));
  EXPECT_NE(runs.ModelAt(a, kLastStep), runs.ModelAt(other, kLastStep));
}

// A member with all that a resume must bring back: dropout, momentum, the best model, checkpoints between epochs.
protocol::Task RichTask(const TrainerRuns& runs, const std::string& name) {
  auto task = runs.MakeTask(name);
  task.member->model = {"mlp", {{"hidden", Json::array({24})}, {"dropout", 0.3}, {"init", "torch"}}};
  task.member->training.optimizer.parameters["lr"] = 0.1;  // high enough that the best epoch is not the last
  task.member->training.length = 6;
  task.member->training.predict = TrainingSpec::Predict::kBest;
  task.member->training.checkpoint = {.every = 7, .unit = CheckpointSpec::Unit::kSteps, .keep = 2};
  task.shards = 2;
  return task;
}
constexpr int64_t kRichLastStep = 60;

std::string Predictions(const protocol::Task& task, const std::string& predictor, Split split) {
  const auto path = task.folder / "predictions" / predictor / fmt::format("{}.safetensors", Name(split));
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
std::string BestPredictions(const protocol::Task& task) { return Predictions(task, "best", Split::kTest); }

// What an undisturbed run and one that was killed may differ in: nothing but seconds.
void ExpectSameEnd(const TrainerRuns& runs, const protocol::Task& undisturbed, const protocol::Task& last) {
  EXPECT_EQ(runs.ModelAt(last, kRichLastStep), runs.ModelAt(undisturbed, kRichLastStep));
  EXPECT_EQ(runs.TrainingTensorsAt(last, kRichLastStep), runs.TrainingTensorsAt(undisturbed, kRichLastStep));
  EXPECT_THAT(BestPredictions(last), Not(IsEmpty()));
  EXPECT_EQ(BestPredictions(last), BestPredictions(undisturbed));
}

TEST(Resume, AfterKillsAtAnyMomentEndsBitForBitAsUndisturbed) {
  const TrainerRuns runs;
  const auto undisturbed = RichTask(runs, "undisturbed");
  const auto whole = runs.Run(undisturbed);
  ASSERT_EQ(whole.exit_code, 0) << whole.errors;
  const uint64_t event_bytes = std::filesystem::file_size(undisturbed.events);

  std::mt19937_64 random(20260301);
  auto task = RichTask(runs, "killed");
  int kills = 0;
  for (; kills < 5; ++kills) {
    Launch launch;
    launch.kill_at_bytes = 1 + random() % (event_bytes / 3);
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
  const auto undisturbed = RichTask(runs, "undisturbed");
  ASSERT_EQ(runs.Run(undisturbed).exit_code, 0);

  auto task = RichTask(runs, "stopped");
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
  const auto first = RichTask(runs, "a");
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
    auto task = RichTask(runs, name);
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

TEST(Training, StepsAsLengthEndWithinAnEpochWithAValidation) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->training.length = 14;
  task.member->training.length_unit = TrainingSpec::LengthUnit::kSteps;
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto epochs = Of<EpochDone>(outcome.events);
  ASSERT_THAT(epochs, SizeIs(2));
  EXPECT_EQ(epochs[1].step, 14);
  EXPECT_TRUE(epochs[1].validation_loss.has_value());
  EXPECT_EQ(Of<CheckpointWritten>(outcome.events).back().step, 14);
}

TEST(Training, TheBestModelIsPredictedWhenAskedFor) {
  const TrainerRuns runs;
  const auto task = RichTask(runs, "a");
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto epochs = Of<EpochDone>(outcome.events);
  const auto best = std::ranges::min_element(epochs, {}, [](const auto& epoch) { return *epoch.validation_loss; });
  for (const auto& written : Of<PredictionsWritten>(outcome.events)) {
    EXPECT_EQ(written.predictor, "best");
    EXPECT_EQ(written.step, best->step);
  }
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

TEST(Training, ReportsProgressAndStopsOnSigterm) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->training.length = 100'000;
  task.member->training.checkpoint = {.every = 1000, .unit = CheckpointSpec::Unit::kEpochs, .keep = 2};
  Launch launch;
  launch.stop_on_progress = true;
  const auto outcome = runs.Run(task, launch);
  EXPECT_EQ(outcome.exit_code, protocol::kExitStopped) << outcome.errors;
  const auto progress = Of<protocol::Progress>(outcome.events).at(0);
  EXPECT_GT(progress.step, 0);
  EXPECT_DOUBLE_EQ(progress.epoch, static_cast<double>(progress.step) / kStepsPerEpoch);
  EXPECT_GT(progress.images_per_second, 0);
  EXPECT_TRUE(std::isfinite(progress.train_loss));
}

TEST(Training, CheckpointsByTheClockToo) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->training.checkpoint = {.every = 1e-9, .unit = CheckpointSpec::Unit::kMinutes, .keep = 2};
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(Of<CheckpointWritten>(outcome.events), SizeIs(kLastStep)) << "any step takes longer than that";
  auto rarely = runs.MakeTask("b");
  rarely.member->training.checkpoint.every = 1e6;
  rarely.member->training.checkpoint.unit = CheckpointSpec::Unit::kMinutes;
  EXPECT_THAT(Of<CheckpointWritten>(runs.Run(rarely).events), SizeIs(1)) << "the one at the end";
}

TEST(Training, ImagesAreResizedWhenTheMemberAsksForIt) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->prepare.resize = 20;
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_GT(*Of<EpochDone>(outcome.events).back().validation_accuracy, 0.8);
  EXPECT_THAT(runs.ModelAt(task, kLastStep), HasSubstr("[1,20,20]"));
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

TEST(Program, InspectsASource) {
  const TrainerRuns runs;
  auto task = runs.MakeTask(".inspect");
  task.kind = JobKind::kInspect;
  task.member.reset();
  task.folder = task.ensemble_folder / "inspect";
  task.events = task.folder / "events.jsonl";
  const auto outcome = runs.RunProgram({"inspect", runs.WriteTask(task).string()}, task.events);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto inspected = Of<protocol::Inspected>(outcome.events).at(0);
  EXPECT_EQ(inspected.training_samples, TrainerRuns::kTraining + TrainerRuns::kValidation);
  EXPECT_EQ(inspected.test_samples, TrainerRuns::kTest);
  EXPECT_EQ(inspected.classes, 10);

  auto trained = runs.MakeTask("a");
  trained.data_hash = inspected.data_hash;
  EXPECT_EQ(runs.Run(trained).exit_code, 0) << "what was inspected is what is trained on";

  task.data.path = runs.root() / "nowhere";
  const auto missing = runs.RunProgram({"inspect", runs.WriteTask(task).string()}, task.events);
  EXPECT_EQ(missing.exit_code, protocol::kExitBadData);
  EXPECT_THAT(Of<Failed>(missing.events), SizeIs(1));
}

TEST(Program, ExplainsItself) {
  const TrainerRuns runs;
  const auto help = runs.RunProgram({"--help"}, runs.root() / "none");
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, HasSubstr("train TASK.json"));
  EXPECT_THAT(runs.RunProgram({"--version"}, runs.root() / "none").output, HasSubstr("LibTorch"));
  const auto wrong = runs.RunProgram({"fly"}, runs.root() / "none");
  EXPECT_EQ(wrong.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(wrong.errors, HasSubstr("Usage"));
}

// ---- gangs ----

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
  auto task = RichTask(runs, "mlp");
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
  const auto undisturbed = RichTask(runs, "undisturbed");
  ASSERT_EQ(runs.Run(undisturbed, two).exit_code, 0);

  auto task = RichTask(runs, "stopped");
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
  auto task = runs.MakeTask("a");
  task.data.path = runs.root() / "nowhere";
  Launch launch;
  launch.ranks = 2;
  const auto outcome = runs.Run(task, launch);
  EXPECT_EQ(outcome.exit_code, protocol::kExitBadData) << outcome.errors;
  EXPECT_THAT(Of<Failed>(outcome.events), SizeIs(1));
}

}  // namespace
}  // namespace tutti::trainer
