#include "worker/trainer/models/model.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <torch/torch.h>

#include "common/spec/descriptor.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr InputShape kFashion = {1, 28, 28};
constexpr InputShape kCifar = {3, 32, 32};

spec::Choice Choose(const std::string& name, Json parameters = Json::object()) { return {name, std::move(parameters)}; }

std::shared_ptr<Model> MustMake(const spec::Choice& choice, InputShape input = kFashion, int64_t classes = 10,
                                int64_t seed = 0) {
  auto model = MakeModel(choice, input, classes, seed);
  EXPECT_TRUE(model.has_value()) << model.error().Text();
  return *model;
}

// "conv1.weight 6x1x5x5"
std::vector<std::string> NamesAndShapes(const Model& model) {
  std::vector<std::string> lines;
  for (const auto& parameter : model.named_parameters()) {
    lines.push_back(fmt::format("{} {}", parameter.key(), fmt::join(parameter.value().sizes(), "x")));
  }
  return lines;
}

std::vector<std::string> BufferNames(const Model& model) {
  std::vector<std::string> names;
  for (const auto& buffer : model.named_buffers()) names.push_back(buffer.key());
  return names;
}

int64_t CountParameters(const Model& model) {
  int64_t count = 0;
  for (const at::Tensor& parameter : model.parameters()) count += parameter.numel();
  return count;
}

bool SameWeights(const Model& left, const Model& right) {
  const auto l = left.parameters(), r = right.parameters();
  if (l.size() != r.size()) return false;
  for (size_t i = 0; i < l.size(); ++i) {
    if (!at::equal(l[i], r[i])) return false;
  }
  return true;
}

at::Tensor Logits(Model& model, InputShape input, int64_t batch) {
  const at::NoGradGuard guard;
  return model.Forward(at::zeros({batch, input.channels, input.height, input.width}));
}

TEST(Lenet5, HasTheNamesAndShapesOfThePaper) {
  const auto model = MustMake(Choose("lenet5"));
  EXPECT_THAT(NamesAndShapes(*model),
              ElementsAre("conv1.weight 6x1x5x5", "conv1.bias 6", "conv2.weight 16x6x5x5", "conv2.bias 16",
                          "fc1.weight 120x400", "fc1.bias 120", "fc2.weight 84x120", "fc2.bias 84", "fc3.weight 10x84",
                          "fc3.bias 10"));
  EXPECT_EQ(CountParameters(*model), 61706);
}

TEST(Lenet5, PaddedSameHasAThirdConvolution) {
  const auto model = MustMake(Choose("lenet5", {{"padding", "same"}}));
  EXPECT_THAT(NamesAndShapes(*model),
              ElementsAre("conv1.weight 6x1x5x5", "conv1.bias 6", "conv2.weight 16x6x5x5", "conv2.bias 16",
                          "conv3.weight 120x16x5x5", "conv3.bias 120", "fc1.weight 84x5880", "fc1.bias 84",
                          "fc2.weight 10x84", "fc2.bias 10"));
  EXPECT_EQ(CountParameters(*model), 545546);  // as uncertainty-baselines reports its own
}

TEST(Lenet5, IsTheNetworkOfPlainTensorFunctions) {
  const auto model = MustMake(Choose("lenet5"));
  const auto p = model->parameters();
  torch::manual_seed(1);
  const at::Tensor inputs = at::randn({4, 1, 28, 28});
  at::Tensor x = at::max_pool2d(at::relu(at::conv2d(inputs, p[0], p[1], 1, {2, 2})), {2, 2});
  x = at::max_pool2d(at::relu(at::conv2d(x, p[2], p[3])), {2, 2}).flatten(1);
  x = at::linear(at::relu(at::linear(at::relu(at::linear(x, p[4], p[5])), p[6], p[7])), p[8], p[9]);
  EXPECT_TRUE(at::allclose(model->Forward(inputs), x, 1e-5, 1e-6));
}

TEST(Lenet5, WithGlorotStartsWithinItsBoundsAndZeroBiases) {
  const auto model = MustMake(Choose("lenet5", {{"init", "glorot"}}));
  for (const auto& parameter : model->named_parameters()) {
    const at::Tensor& value = parameter.value();
    if (parameter.key().ends_with("bias")) {
      EXPECT_EQ(value.abs().max().item<float>(), 0) << parameter.key();
      continue;
    }
    const int64_t receptive = value.numel() / (value.size(0) * value.size(1));
    const double bound = std::sqrt(6.0 / static_cast<double>((value.size(0) + value.size(1)) * receptive));
    EXPECT_LE(value.abs().max().item<double>(), bound + 1e-6) << parameter.key();
    EXPECT_GT(value.abs().max().item<double>(), 0.9 * bound) << parameter.key();
  }
}

// The numbers are those of torch.manual_seed(7); torch.nn.Conv2d(1, 6, 5, padding=2) in Python.
TEST(Lenet5, StartsWithTheWeightsThatPythonDraws) {
  const auto model = MustMake(Choose("lenet5"), kFashion, 10, 7);
  const auto parameters = model->named_parameters();
  const at::Tensor weight = parameters["conv1.weight"].flatten();
  EXPECT_NEAR(weight[0].item<double>(), 0.013969016261398792, 1e-7);
  EXPECT_NEAR(weight[149].item<double>(), 0.006844830699265003, 1e-7);
  EXPECT_NEAR(parameters["fc3.bias"][9].item<double>(), -0.10292906314134598, 1e-7);
}

TEST(Mlp, HasALayerForEachWidth) {
  const auto model = MustMake(Choose("mlp", {{"hidden", {32, 16}}}));
  EXPECT_THAT(NamesAndShapes(*model), ElementsAre("fc1.weight 32x784", "fc1.bias 32", "fc2.weight 16x32", "fc2.bias 16",
                                                  "fc3.weight 10x16", "fc3.bias 10"));
}

TEST(Mlp, WithoutHiddenLayersIsLinear) {
  const auto model = MustMake(Choose("mlp", {{"hidden", Json::array()}}));
  EXPECT_THAT(NamesAndShapes(*model), ElementsAre("fc1.weight 10x784", "fc1.bias 10"));
}

TEST(Mlp, DropsOutInTrainingOnly) {
  const auto model = MustMake(Choose("mlp", {{"dropout", 0.5}}));
  const at::Tensor inputs = at::ones({2, 1, 28, 28});
  model->train();
  EXPECT_FALSE(at::equal(model->Forward(inputs), model->Forward(inputs)));
  model->eval();
  EXPECT_TRUE(at::equal(model->Forward(inputs), model->Forward(inputs)));
}

TEST(Resnet8, HasTorchvisionsNames) {
  const auto model = MustMake(Choose("resnet8"), kCifar);
  EXPECT_THAT(NamesAndShapes(*model),
              ElementsAre("conv1.weight 16x3x3x3", "bn1.weight 16", "bn1.bias 16",                              //
                          "layer1.0.conv1.weight 16x16x3x3", "layer1.0.bn1.weight 16", "layer1.0.bn1.bias 16",  //
                          "layer1.0.conv2.weight 16x16x3x3", "layer1.0.bn2.weight 16", "layer1.0.bn2.bias 16",  //
                          "layer2.0.conv1.weight 32x16x3x3", "layer2.0.bn1.weight 32", "layer2.0.bn1.bias 32",  //
                          "layer2.0.conv2.weight 32x32x3x3", "layer2.0.bn2.weight 32", "layer2.0.bn2.bias 32",  //
                          "layer2.0.downsample.0.weight 32x16x1x1", "layer2.0.downsample.1.weight 32",
                          "layer2.0.downsample.1.bias 32",                                                      //
                          "layer3.0.conv1.weight 64x32x3x3", "layer3.0.bn1.weight 64", "layer3.0.bn1.bias 64",  //
                          "layer3.0.conv2.weight 64x64x3x3", "layer3.0.bn2.weight 64", "layer3.0.bn2.bias 64",  //
                          "layer3.0.downsample.0.weight 64x32x1x1", "layer3.0.downsample.1.weight 64",
                          "layer3.0.downsample.1.bias 64",  //
                          "fc.weight 10x64", "fc.bias 10"));
  EXPECT_THAT(BufferNames(*model),
              testing::IsSupersetOf({"bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
                                     "layer3.0.downsample.1.running_mean"}));
}

TEST(Resnet20, HasThreeBlocksAStage) {
  const auto model = MustMake(Choose("resnet20"), kCifar);
  // The paper's 0.27 million (section 4.2) and the two 1x1 convolutions with their batch norms.
  EXPECT_EQ(CountParameters(*model), 269722 + 32 * 16 + 64 * 32 + 2 * (32 + 64));
  EXPECT_THAT(NamesAndShapes(*model), testing::Contains("layer3.2.conv2.weight 64x64x3x3"));
}

TEST(Resnet8, IsAsWideAsAsked) {
  const auto model = MustMake(Choose("resnet8", {{"width", 4}}));
  EXPECT_THAT(NamesAndShapes(*model), testing::IsSupersetOf({"conv1.weight 4x1x3x3", "fc.weight 10x16"}));
}

TEST(Resnet8, StartsWithConvolutionsOfHesDeviationByFanOut) {
  const auto model = MustMake(Choose("resnet8", {{"width", 64}}), kCifar);
  const auto parameters = model->named_parameters();
  const double expected = std::sqrt(2.0 / (256.0 * 9));
  EXPECT_NEAR(parameters["layer3.0.conv2.weight"].std().item<double>(), expected, 0.01 * expected);
  EXPECT_EQ(parameters["layer3.0.bn2.weight"].min().item<float>(), 1);
  EXPECT_EQ(parameters["layer3.0.bn2.bias"].abs().max().item<float>(), 0);
}

TEST(Resnet8, NormalisesByTheBatchInTrainingAndByRunningStatisticsAfter) {
  const auto model = MustMake(Choose("resnet8", {{"width", 4}}), kCifar);
  torch::manual_seed(1);
  const at::Tensor inputs = at::randn({4, 3, 32, 32});
  model->train();
  const at::Tensor trained = model->Forward(inputs);
  model->eval();
  EXPECT_FALSE(at::allclose(model->Forward(inputs), trained));
  EXPECT_TRUE(at::allclose(model->Forward(inputs.slice(0, 0, 1)), model->Forward(inputs).slice(0, 0, 1), 1e-4, 1e-5));
}

// ---- what holds for every model ----

struct EveryModel : testing::TestWithParam<spec::Choice> {};

TEST_P(EveryModel, GivesLogitsForAnyChannelsSizeAndClasses) {
  const std::vector<InputShape> shapes = {kFashion, kCifar, {3, 13, 12}, {2, 37, 29}, {4, 65, 17}};
  for (const InputShape& shape : shapes) {
    for (const int64_t classes : {1, 2, 7}) {
      const auto model = MustMake(GetParam(), shape, classes);
      model->train();
      EXPECT_EQ(Logits(*model, shape, 3).sizes(), (std::vector<int64_t>{3, classes}));
      model->eval();
      EXPECT_EQ(Logits(*model, shape, 1).sizes(), (std::vector<int64_t>{1, classes}));
    }
  }
}

TEST_P(EveryModel, IsTheSameToTheBitForTheSameSeed) {
  const auto first = MustMake(GetParam(), kFashion, 10, 5);
  at::rand({100});  // what others draw between
  const auto second = MustMake(GetParam(), kFashion, 10, 5);
  EXPECT_TRUE(SameWeights(*first, *second));
}

TEST_P(EveryModel, DiffersBetweenSeeds) {
  EXPECT_FALSE(SameWeights(*MustMake(GetParam(), kFashion, 10, 5), *MustMake(GetParam(), kFashion, 10, 6)));
}

TEST_P(EveryModel, LeavesNoTraceInTheDefaultGenerator) {
  torch::manual_seed(3);
  at::randn({3});  // an odd number of normal draws leaves one in the generator
  const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state();
  MustMake(GetParam());
  EXPECT_TRUE(at::equal(at::detail::getDefaultCPUGenerator().get_state(), before));
}

TEST_P(EveryModel, GivesAGradientToEveryParameter) {
  const auto model = MustMake(GetParam());
  model->train();
  torch::manual_seed(1);
  const at::Tensor logits = model->Forward(at::rand({4, 1, 28, 28}));
  at::cross_entropy_loss(logits, at::tensor({1, 2, 3, 4}, at::kLong)).backward();
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_GT(parameter.value().grad().abs().sum().item<double>(), 0) << parameter.key();
  }
}

TEST_P(EveryModel, NamesTheLeastSizeOfATooSmallImage) {
  int64_t least = 1;
  while (!MakeModel(GetParam(), {1, least, least}, 10, 0)) ++least;
  const auto model = MustMake(GetParam(), {1, least, least});
  model->train();
  EXPECT_EQ(Logits(*model, {1, least, least}, 1).sizes(), (std::vector<int64_t>{1, 10}));
  for (int64_t size = 1; size < least; ++size) {
    const auto refused = MakeModel(GetParam(), {1, size, 28}, 10, 0);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(refused.error().Text(), HasSubstr(fmt::format("{}x{} at least", least, least)));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EveryModel,
                         testing::Values(Choose("mlp", {{"hidden", {24}}, {"dropout", 0.1}}),
                                         Choose("mlp", {{"init", "glorot"}}), Choose("lenet5"),
                                         Choose("lenet5", {{"padding", "same"}, {"init", "glorot"}}),
                                         Choose("resnet8", {{"width", 4}, {"dropout", 0.1}}),
                                         Choose("resnet20", {{"width", 4}, {"init", "glorot"}})));

TEST(MakeModel, BuildsEveryModelThatExperimentsMayName) {
  for (const std::string& name : spec::NamesOf(spec::ChoiceKind::kModel)) MustMake(Choose(name));
}

TEST(MakeModel, FillsInWhatIsNotSaid) {
  EXPECT_TRUE(SameWeights(*MustMake({"resnet8", nullptr}), *MustMake(Choose("resnet8", {{"width", 16}}))));
}

TEST(MakeModel, RefusesUnknownModelsWithTheNearestName) {
  const auto model = MakeModel(Choose("lenet"), kFashion, 10, 0);
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(model.error().Text(), HasSubstr("lenet5"));
}

TEST(MakeModel, RefusesParametersOutOfRange) {
  EXPECT_EQ(MakeModel(Choose("resnet8", {{"width", 0}}), kFashion, 10, 0).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(MakeModel(Choose("mlp", {{"hidden", "wide"}}), kFashion, 10, 0).error().code, ErrorCode::kInvalid);
}

TEST(MakeModel, RefusesImagesWithoutPixelsAndNoClasses) {
  EXPECT_EQ(MakeModel(Choose("mlp"), {0, 28, 28}, 10, 0).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(MakeModel(Choose("mlp"), kFashion, 0, 0).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace tutti::trainer
