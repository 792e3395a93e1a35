// The real program on small data: what a person sees who starts it by hand.
#include <gmock/gmock.h>

#include <cmath>

#include "common/hash.h"
#include "common/tensors/tensor_file.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "tests/worker/trainer/training/trainer_runs.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using protocol::CheckpointWritten;
using protocol::EpochDone;
using protocol::Finished;
using protocol::PredictionsWritten;
using protocol::Started;
using spec::CheckpointSpec;
using spec::TrainingSpec;

TEST(Training, TellsItsWholeStoryInOrder) {
  const TrainerRuns runs;
  const auto outcome = runs.Run(runs.MakeTask("a"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;

  const auto started = Of<Started>(outcome.events);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(started[0].step, 0);
  EXPECT_EQ(started[0].total_steps, TrainerRuns::kLastStep);
  EXPECT_EQ(started[0].steps_per_epoch, TrainerRuns::kStepsPerEpoch);
  EXPECT_TRUE(started[0].provenance.contains("libtorch"));

  const auto epochs = Of<EpochDone>(outcome.events);
  ASSERT_THAT(epochs, SizeIs(3));
  EXPECT_EQ(epochs[0].epoch, 1);
  EXPECT_EQ(epochs[2].step, TrainerRuns::kLastStep);
  EXPECT_LT(epochs[2].train_loss, epochs[0].train_loss);
  EXPECT_GT(*epochs[2].validation_accuracy, 0.9) << "bars of light are easy to tell apart";
  EXPECT_GT(epochs[0].images_per_second, 0);
  EXPECT_GT(epochs[0].train_seconds, 0);

  std::vector<int64_t> checkpoints;
  for (const auto& written : Of<CheckpointWritten>(outcome.events)) checkpoints.push_back(written.step);
  EXPECT_THAT(checkpoints, ElementsAre(10, 20, 30));
  const auto finished = Of<Finished>(outcome.events);
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_EQ(finished[0].step, TrainerRuns::kLastStep);
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
  EXPECT_EQ(predictions[1].step, TrainerRuns::kLastStep);
  EXPECT_EQ(predictions[1].hash, HashText(PosixFileSystem().Read(task.ensemble_folder / predictions[1].file).value()));

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
  EXPECT_EQ(runs.ModelAt(a, TrainerRuns::kLastStep), runs.ModelAt(b, TrainerRuns::kLastStep));
  EXPECT_EQ(runs.TrainingTensorsAt(a, TrainerRuns::kLastStep), runs.TrainingTensorsAt(b, TrainerRuns::kLastStep));
  EXPECT_NE(runs.ModelAt(a, TrainerRuns::kLastStep), runs.ModelAt(other, TrainerRuns::kLastStep));
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

// What the model in the checkpoint of this step says, told by a training that goes on from there and has no step left.
std::string PredictionsOfCheckpoint(const TrainerRuns& runs, protocol::Task task, int64_t step) {
  task.resume_from = task.folder / storage::StepFolderName(step);
  task.attempt.number = static_cast<int>(100 + step);
  task.folder = task.ensemble_folder / storage::AttemptFolder(task.attempt);
  task.events = task.folder / "events.jsonl";
  task.member->training.length = step;
  task.member->training.length_unit = TrainingSpec::LengthUnit::kSteps;
  task.member->training.predict = TrainingSpec::Predict::kLast;
  const auto outcome = runs.Run(task);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  return Predictions(task, "last", Split::kTest);
}

// Whoever loads model.safetensors of that step has the weights that answered.
TEST(Training, TheBestModelAnswersWhenAskedForAndLiesInACheckpoint) {
  const TrainerRuns runs;
  auto task = runs.MakeRichTask("a");
  task.member->training.checkpoint = {.every = 100, .unit = CheckpointSpec::Unit::kEpochs, .keep = 2};
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto epochs = Of<EpochDone>(outcome.events);
  const auto best = std::ranges::min_element(epochs, {}, [](const auto& epoch) { return *epoch.validation_loss; });
  ASSERT_LT(best->step, TrainerRuns::kRichLastStep) << "the test must tell them apart to mean something";
  const auto predictions = Of<PredictionsWritten>(outcome.events);
  ASSERT_THAT(predictions, SizeIs(2));
  for (const auto& written : predictions) {
    EXPECT_EQ(written.predictor, "best");
    EXPECT_EQ(written.step, best->step);
  }
  const std::string answered = Predictions(task, "best", Split::kTest);
  EXPECT_EQ(answered, PredictionsOfCheckpoint(runs, task, best->step));
  EXPECT_NE(answered, PredictionsOfCheckpoint(runs, task, TrainerRuns::kRichLastStep));
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
  EXPECT_DOUBLE_EQ(progress.epoch, static_cast<double>(progress.step) / TrainerRuns::kStepsPerEpoch);
  EXPECT_GT(progress.images_per_second, 0);
  EXPECT_TRUE(std::isfinite(progress.train_loss));
}

TEST(Training, CheckpointsByTheClockToo) {
  const TrainerRuns runs;
  auto task = runs.MakeTask("a");
  task.member->training.checkpoint = {.every = 1e-9, .unit = CheckpointSpec::Unit::kMinutes, .keep = 2};
  const auto outcome = runs.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(Of<CheckpointWritten>(outcome.events), SizeIs(TrainerRuns::kLastStep))
      << "any step takes longer than that";
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
  EXPECT_THAT(runs.ModelAt(task, TrainerRuns::kLastStep), HasSubstr("[1,20,20]"));
}

// ---- weights to begin with ----

class Weights : public ::testing::Test {
 protected:
  Weights() : first_(runs_.MakeTask("first")) { TUTTI_CHECK(runs_.Run(first_).exit_code == 0); }
  fs::path TrainedWeights() const {
    return first_.folder / storage::StepFolderName(TrainerRuns::kLastStep) / "model.safetensors";
  }
  // A member of another seed whose steps are too small to change a weight.
  protocol::Task TaskWith(const fs::path& weights, const std::string& member = "second") const {
    auto task = runs_.MakeTask(member);
    task.member->seed = 77;
    task.member->training.optimizer.parameters["lr"] = 1e-30;
    task.member->weights = weights;
    return task;
  }
  // The trained weights, changed by `change`.
  fs::path Changed(const std::function<void(std::vector<tensors::NamedTensor>&)>& change) const {
    const auto file = tensors::TensorFile::Read(PosixFileSystem(), TrainedWeights()).value();
    std::vector<tensors::NamedTensor> tensors;
    for (const std::string& name : file.names()) tensors.push_back({name, file.Get(name).value()});
    change(tensors);
    const fs::path path = runs_.root() / "changed.safetensors";
    TUTTI_CHECK(WriteDurably(PosixFileSystem(), path, [&](WritableFile& out) {
      return tensors::WriteSafetensors(out, tensors, file.metadata());
    }));
    return path;
  }
  std::string WhyNot(const fs::path& weights) const {
    const auto task = TaskWith(weights);
    const auto outcome = runs_.Run(task);
    fs::remove_all(task.folder);
    EXPECT_EQ(outcome.exit_code, protocol::kExitBadTask);
    return Of<protocol::Failed>(outcome.events).at(0).error;
  }

  const TrainerRuns runs_;
  const protocol::Task first_;
};

TEST_F(Weights, AreThoseOfTheFileBitForBit) {
  const auto task = TaskWith(TrainedWeights());
  const auto outcome = runs_.Run(task);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(runs_.ModelAt(task, TrainerRuns::kLastStep), runs_.ModelAt(first_, TrainerRuns::kLastStep));
}

TEST_F(Weights, AreLeftAloneByWhatGoesOnFromACheckpoint) {
  const auto undisturbed = TaskWith(TrainedWeights(), "undisturbed");
  ASSERT_EQ(runs_.Run(undisturbed).exit_code, 0);
  auto again = runs_.Retry(undisturbed);
  again.member->weights = runs_.root() / "gone.safetensors";
  const auto outcome = runs_.Run(again);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
}

TEST_F(Weights, ThatAreNotExactlyTheModelsAreRefusedWithTheFirstThatDiffers) {
  const std::string missing = WhyNot(Changed(
      [](auto& tensors) { std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "conv2.bias"; }); }));
  EXPECT_THAT(missing, HasSubstr("second cannot begin with the weights"));
  EXPECT_THAT(missing, HasSubstr("changed.safetensors"));
  EXPECT_THAT(missing, HasSubstr("the file has no tensor 'conv2.bias'"));
  EXPECT_THAT(WhyNot(Changed([](auto& tensors) {
                tensors.push_back({"extra", tensors::TensorView(tensors[0].tensor)});
              })),
              HasSubstr("the model lenet5 has no tensor 'extra'"));
  EXPECT_THAT(WhyNot(Changed([](auto& tensors) {
                for (auto& tensor : tensors) {
                  if (tensor.name == "conv1.bias") tensor.tensor.shape = {2, 3};
                }
              })),
              HasSubstr("tensor 'conv1.bias' has the shape [2, 3], not [6]"));
  EXPECT_THAT(WhyNot(Changed([](auto& tensors) {
                for (auto& tensor : tensors) {
                  if (tensor.name == "conv1.bias") tensor.tensor.dtype = tensors::DType::kI32;
                }
              })),
              HasSubstr("tensor 'conv1.bias' is I32, not F32"));
  EXPECT_THAT(WhyNot(runs_.root() / "none.safetensors"), HasSubstr("none.safetensors"));
  EXPECT_THAT(WhyNot(first_.events), HasSubstr("not a safetensors file"));
}

}  // namespace
}  // namespace tutti::trainer
