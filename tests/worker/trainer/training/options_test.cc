// What a member is configured with, against a training that is written here with plain LibTorch: each setting that the
// loop did not heed would show.
#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <optional>

#include "common/tensors/tensor_file.h"
#include "tests/worker/trainer/training/trainer_runs.h"
#include "worker/trainer/training/member_training.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kSteps = 14;  // into a second epoch, after the smaller last batch of the first
constexpr double kBaseRate = 0.05;
constexpr double kMomentum = 0.9;
constexpr double kWeightDecay = 5e-4;
constexpr double kRounding = 2e-5;

// Settings under the names that PyTorch has for them.
struct Recipe {
  double label_smoothing = 0;
  std::optional<double> max_norm = std::nullopt;
  std::function<double(int64_t step)> rate = [](int64_t) { return kBaseRate; };
  std::vector<spec::Choice> augment = {};
  bool normalize = true;
};

class Options : public ::testing::Test {
 protected:
  Options() : task_(runs_.MakeTask("a")) {
    member().model = {"mlp", {{"hidden", Json::array({24})}, {"dropout", 0.0}, {"init", "torch"}}};
    training().length = kSteps;
    training().length_unit = spec::TrainingSpec::LengthUnit::kSteps;
    training().schedule = {"constant", Json::object()};
    training().optimizer = {"sgd",
                            {{"lr", kBaseRate},
                             {"momentum", kMomentum},
                             {"nesterov", true},
                             {"dampening", 0.0},
                             {"weight_decay", kWeightDecay}}};
  }
  spec::MemberSpec& member() { return *task_.member; }
  spec::TrainingSpec& training() { return member().training; }

  // All weights one after the other.
  at::Tensor TrainAsTold() {
    const Inputs inputs = OpenInputs(PosixFileSystem(), task_).value();
    const auto collective = MakeSoloCollective();
    const auto events = EventLog::Silent();
    const auto trained = MemberTraining::Make(PosixFileSystem(), task_, inputs, *collective, *events).value();
    EXPECT_TRUE(std::holds_alternative<TrainingFinished>(trained->Run().value()));
    const auto file = tensors::TensorFile::Read(PosixFileSystem(),
                                                task_.folder / storage::StepFolderName(kSteps) / "model.safetensors");
    std::vector<at::Tensor> weights;
    for (const auto& parameter : FreshModel()->named_parameters()) {
      const auto values = file->Get(parameter.key())->As<float>();
      weights.push_back(torch::tensor(at::ArrayRef<float>(values.data(), values.size())));
    }
    return torch::cat(weights);
  }

  at::Tensor TrainPlainly(const Recipe& recipe) {
    const Inputs inputs = OpenInputs(PosixFileSystem(), task_).value();
    const std::vector<int64_t>& samples = inputs.ids.training;
    const Normalization normalization =
        recipe.normalize ? ComputeNormalization(inputs.images, samples) : Normalization();
    BatchMaker batches(inputs.images, normalization, recipe.augment, member().seed);
    const auto model = FreshModel();
    torch::optim::SGD optimizer(
        model->parameters(),
        torch::optim::SGDOptions(kBaseRate).momentum(kMomentum).nesterov(true).weight_decay(kWeightDecay));
    for (int64_t step = 0; step < kSteps; ++step) {
      const int64_t epoch = step / TrainerRuns::kStepsPerEpoch;
      const auto begin = static_cast<size_t>(step % TrainerRuns::kStepsPerEpoch * training().batch_size);
      const std::vector<int64_t> order = EpochOrder(samples, member().seed, epoch);
      const size_t count = std::min(static_cast<size_t>(training().batch_size), order.size() - begin);
      const auto batch = batches.Training(std::span(order).subspan(begin, count), epoch, static_cast<int64_t>(begin));
      optimizer.zero_grad();
      torch::nn::functional::cross_entropy(
          model->Forward(batch.inputs), batch.labels,
          torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(recipe.label_smoothing))
          .backward();
      if (recipe.max_norm) torch::nn::utils::clip_grad_norm_(model->parameters(), *recipe.max_norm);
      optimizer.param_groups()[0].options().set_lr(recipe.rate(step));
      optimizer.step();
    }
    std::vector<at::Tensor> weights;
    for (const auto& parameter : model->named_parameters()) weights.push_back(parameter.value().detach().flatten());
    return torch::cat(weights);
  }

  void ExpectTrainsBy(const Recipe& recipe) { EXPECT_LT(Distance(TrainAsTold(), TrainPlainly(recipe)), kRounding); }
  // For a recipe that is told from the default one by far more than rounding.
  void ExpectTrainsByIts(const Recipe& recipe) {
    ASSERT_GT(Distance(TrainPlainly({}), TrainPlainly(recipe)), 20 * kRounding) << "the test must tell them apart";
    ExpectTrainsBy(recipe);
  }

  TrainerRuns runs_;
  protocol::Task task_;

 private:
  static double Distance(const at::Tensor& one, const at::Tensor& other) {
    return (one - other).abs().max().item<double>();
  }
  std::shared_ptr<Model> FreshModel() {
    return MakeModel(member().model, {1, 28, 28}, task_.classes, member().seed).value();
  }
};

TEST_F(Options, WithoutAnyItTrainsAsPlainLibTorchDoes) { ExpectTrainsBy({}); }

TEST_F(Options, LabelsAreSmoothed) {
  training().label_smoothing = 0.2;
  ExpectTrainsByIts({.label_smoothing = 0.2});
}

TEST_F(Options, LongGradientsAreClipped) {
  training().clip_norm = 0.5;
  ExpectTrainsByIts({.max_norm = 0.5});
}

TEST_F(Options, TheLearningRateWarmsUpAndFallsByTheSchedule) {
  constexpr double kLowest = 0.001;
  constexpr int64_t kWarmUpSteps = TrainerRuns::kStepsPerEpoch / 2;
  training().schedule = {"cosine", {{"warmup_epochs", 0.5}, {"min_lr", kLowest}}};
  ExpectTrainsByIts({.rate = [](int64_t step) {
    if (step < kWarmUpSteps) return kBaseRate * static_cast<double>(step + 1) / kWarmUpSteps;
    const double progress = static_cast<double>(step - kWarmUpSteps) / (kSteps - kWarmUpSteps);
    return kLowest + (kBaseRate - kLowest) * (1 + std::cos(std::numbers::pi * progress)) / 2;
  }});
}

TEST_F(Options, TrainingImagesAreAugmented) {
  member().augment = {{"crop", {{"padding", 4}}}};
  ExpectTrainsByIts({.augment = member().augment});
}

TEST_F(Options, PixelsAreLeftAsTheyAreWithoutNormalization) {
  member().prepare.normalize = spec::PrepareSpec::Normalize::kNone;
  ExpectTrainsByIts({.normalize = false});
}

}  // namespace
}  // namespace tutti::trainer
