#include "worker/trainer/optim/optimizer.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <memory>

#include "worker/trainer/optim/flat_parameters.h"

namespace tutti::trainer {
namespace {

using ::testing::HasSubstr;

constexpr int kSteps = 50;

torch::nn::Sequential SmallNet() {
  torch::manual_seed(7);
  return torch::nn::Sequential(torch::nn::Linear(9, 17), torch::nn::ReLU(), torch::nn::Linear(17, 5));
}

at::Tensor LossAt(torch::nn::Sequential& net, int step) {
  torch::manual_seed(100 + step);
  const at::Tensor inputs = torch::randn({8, 9});
  const at::Tensor labels = torch::randint(0, 5, {8}, at::kLong);
  return torch::nn::functional::cross_entropy(net->forward(inputs), labels);
}

// The rate changes from step to step, as under a schedule.
double RateAt(int step, double base) { return base / (1 + 0.1 * step); }

void TrainFlat(torch::nn::Sequential& net, const spec::Choice& choice, double rate) {
  const FlatParameters flat(*net);
  auto optimizer = MakeOptimizer(choice, flat.values(), flat.gradients());
  ASSERT_TRUE(optimizer) << optimizer.error().Text();
  for (int step = 0; step < kSteps; ++step) {
    flat.gradients_with_tail().zero_();
    LossAt(net, step).backward();
    (*optimizer)->Step(RateAt(step, rate));
  }
  EXPECT_TRUE(flat.CheckViews());
}

template <typename Options>
void TrainTorch(torch::nn::Sequential& net, torch::optim::Optimizer& optimizer, double rate) {
  for (int step = 0; step < kSteps; ++step) {
    static_cast<Options&>(optimizer.param_groups()[0].options()).lr(RateAt(step, rate));
    optimizer.zero_grad();
    LossAt(net, step).backward();
    optimizer.step();
  }
}

double LargestDifference(torch::nn::Sequential& a, torch::nn::Sequential& b) {
  double largest = 0;
  for (size_t i = 0; i < a->parameters().size(); ++i) {
    largest = std::max(largest, (a->parameters()[i] - b->parameters()[i]).abs().max().item<double>());
  }
  return largest;
}

spec::Choice Sgd(double momentum, const char* nesterov, double dampening, double weight_decay) {
  return {"sgd",
          {{"lr", 0.1},
           {"momentum", momentum},
           {"nesterov", std::string_view(nesterov) == "nesterov"},
           {"dampening", dampening},
           {"weight_decay", weight_decay}}};
}

void ExpectSgdAsTorch(const spec::Choice& choice) {
  torch::nn::Sequential ours = SmallNet();
  torch::nn::Sequential theirs = SmallNet();
  TrainFlat(ours, choice, 0.1);
  auto options = torch::optim::SGDOptions(0.1)
                     .momentum(choice.parameters.at("momentum").get<double>())
                     .dampening(choice.parameters.at("dampening").get<double>())
                     .weight_decay(choice.parameters.at("weight_decay").get<double>())
                     .nesterov(choice.parameters.at("nesterov").get<bool>());
  torch::optim::SGD optimizer(theirs->parameters(), options);
  TrainTorch<torch::optim::SGDOptions>(theirs, optimizer, 0.1);
  EXPECT_EQ(LargestDifference(ours, theirs), 0);
}

TEST(Sgd, PlainIsTorchsBitForBit) { ExpectSgdAsTorch(Sgd(0, "", 0, 0)); }
TEST(Sgd, WeightDecayIsTorchsBitForBit) { ExpectSgdAsTorch(Sgd(0, "", 0, 1e-2)); }
TEST(Sgd, MomentumIsTorchsBitForBit) { ExpectSgdAsTorch(Sgd(0.9, "", 0, 1e-3)); }
TEST(Sgd, DampeningIsTorchsBitForBitFromTheFirstStepOn) { ExpectSgdAsTorch(Sgd(0.9, "", 0.3, 0)); }
TEST(Sgd, NesterovIsTorchsBitForBit) { ExpectSgdAsTorch(Sgd(0.9, "nesterov", 0, 5e-4)); }

spec::Choice AdamChoice(const char* name, double weight_decay) {
  return {name, {{"lr", 0.01}, {"beta1", 0.9}, {"beta2", 0.99}, {"eps", 1e-7}, {"weight_decay", weight_decay}}};
}

template <typename Optimizer, typename Options>
void ExpectAdamAsTorch(const char* name, double weight_decay) {
  torch::nn::Sequential ours = SmallNet();
  torch::nn::Sequential theirs = SmallNet();
  TrainFlat(ours, AdamChoice(name, weight_decay), 0.01);
  Optimizer optimizer(theirs->parameters(),
                      Options(0.01).betas(std::make_tuple(0.9, 0.99)).eps(1e-7).weight_decay(weight_decay));
  TrainTorch<Options>(theirs, optimizer, 0.01);
  EXPECT_LE(LargestDifference(ours, theirs), 1e-6);
  EXPECT_GT(LargestDifference(ours, *std::make_unique<torch::nn::Sequential>(SmallNet())), 1e-2);
}

TEST(Adam, IsTorchs) { ExpectAdamAsTorch<torch::optim::Adam, torch::optim::AdamOptions>("adam", 0); }
TEST(Adam, CoupledWeightDecayIsTorchs) {
  ExpectAdamAsTorch<torch::optim::Adam, torch::optim::AdamOptions>("adam", 0.05);
}
TEST(AdamW, DecoupledWeightDecayIsTorchs) {
  ExpectAdamAsTorch<torch::optim::AdamW, torch::optim::AdamWOptions>("adamw", 0.05);
}

// What a resume does: state copied into a fresh optimizer, its steps set.
void ExpectSameAfterRestore(const spec::Choice& choice) {
  const auto gradient = [](int step) {
    torch::manual_seed(step);
    return torch::randn({32});
  };
  at::Tensor values = torch::ones({32}), gradients = torch::zeros({32});
  auto undisturbed = *MakeOptimizer(choice, values, gradients);
  for (int step = 0; step < 5; ++step) gradients.copy_(gradient(step)), undisturbed->Step(0.1);

  at::Tensor other_values = values.clone(), other_gradients = torch::zeros({32});
  auto resumed = *MakeOptimizer(choice, other_values, other_gradients);
  for (size_t i = 0; i < resumed->State().size(); ++i) {
    resumed->State()[i].tensor.copy_(undisturbed->State()[i].tensor);
  }
  resumed->SetSteps(5);
  for (int step = 5; step < 9; ++step) {
    gradients.copy_(gradient(step)), undisturbed->Step(0.1);
    other_gradients.copy_(gradient(step)), resumed->Step(0.1);
  }
  EXPECT_TRUE(torch::equal(values, other_values)) << choice.name;
}

TEST(Optimizer, GoesOnBitForBitFromItsState) {
  ExpectSameAfterRestore(Sgd(0.9, "", 0.5, 1e-3));
  ExpectSameAfterRestore(AdamChoice("adam", 1e-3));
  ExpectSameAfterRestore(AdamChoice("adamw", 1e-3));
}

TEST(Optimizer, UnknownNameAndMissingParameterAreTold) {
  const at::Tensor values = torch::ones({4});
  auto unknown = MakeOptimizer({"lion", Json::object()}, values, values);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(unknown.error().message, HasSubstr("lion"));
  auto missing = MakeOptimizer({"sgd", {{"lr", 0.1}}}, values, values);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("momentum"));
}

TEST(ClipGradients, ScalesALongGradientAndLeavesAShortOne) {
  at::Tensor gradients = torch::tensor({3.0f, 4.0f});
  ClipGradients(gradients, 10);
  EXPECT_TRUE(torch::equal(gradients, torch::tensor({3.0f, 4.0f})));
  ClipGradients(gradients, 1);
  EXPECT_NEAR(gradients.norm().item<double>(), 1, 1e-5);
  EXPECT_NEAR(gradients[0].item<double>(), 0.6, 1e-5);
}

TEST(FlatParameters, ValuesStayTheSameAndBecomeViews) {
  torch::nn::Sequential net = SmallNet();
  const auto before = torch::nn::utils::parameters_to_vector(net->parameters()).clone();
  const FlatParameters flat(*net);
  EXPECT_TRUE(torch::equal(torch::nn::utils::parameters_to_vector(net->parameters()), before));
  flat.values().fill_(2);
  for (const at::Tensor& parameter : net->parameters()) EXPECT_TRUE(parameter.eq(2).all().item<bool>());
  LossAt(net, 0).backward();
  EXPECT_GT(flat.gradients().norm().item<double>(), 0);
  EXPECT_TRUE(flat.CheckViews());
}

TEST(FlatParameters, LieInTheOrderOfBackwardAndAreNamedInTheOrderOfRegistration) {
  torch::nn::Sequential net = SmallNet();
  const FlatParameters flat(*net);
  EXPECT_EQ(flat.slices().front().name, "2.bias");
  EXPECT_EQ(flat.slices().back().name, "0.weight");
  EXPECT_EQ(flat.ViewsOf(flat.values()).front().name, "0.weight");
  for (const auto& slice : flat.slices()) EXPECT_EQ(slice.offset % 16, 0);
}

TEST(FlatParameters, TheTailIsNoPartOfTheGradient) {
  torch::nn::Sequential net = SmallNet();
  const FlatParameters flat(*net);
  flat.tail().fill_(1);
  EXPECT_EQ(flat.gradients().norm().item<double>(), 0);
  EXPECT_EQ(flat.gradients_with_tail().sum().item<double>(), FlatParameters::kTailElements);
}

TEST(FlatParameters, NoticesAReplacedValue) {
  torch::nn::Sequential net = SmallNet();
  const FlatParameters flat(*net);
  net->parameters()[0].set_data(torch::zeros({17, 9}));
  const auto whole = flat.CheckViews();
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message, HasSubstr("0.weight"));
}

TEST(FlatParameters, NoticesAGradientThatWasSetToNone) {
  torch::nn::Sequential net = SmallNet();
  const FlatParameters flat(*net);
  net->zero_grad();
  const auto whole = flat.CheckViews();
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message, HasSubstr("gradient"));
}

}  // namespace
}  // namespace tutti::trainer
