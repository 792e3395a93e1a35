#include "worker/trainer/models/initialization.h"

#include <torch/torch.h>

namespace tutti::trainer {
namespace {

std::mutex& DrawingMutex() {
  static std::mutex mutex;
  return mutex;
}

void GlorotWithZeroBias(at::Tensor& weight, at::Tensor& bias) {
  torch::nn::init::xavier_uniform_(weight);
  if (bias.defined()) torch::nn::init::zeros_(bias);
}

}  // namespace

SeededDrawing::SeededDrawing(int64_t seed) : lock_(DrawingMutex()) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> guard(generator.mutex());
  state_before_ = generator.get_state();
  generator.set_current_seed(static_cast<uint64_t>(seed));
}

SeededDrawing::~SeededDrawing() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_state(state_before_);
}

void InitializeAs(const Json& parameters, torch::nn::Module& module) {
  if (parameters.at("init") != "glorot") return;
  for (const auto& part : module.modules(/*include_self=*/false)) {
    if (auto* convolution = part->as<torch::nn::Conv2d>()) GlorotWithZeroBias(convolution->weight, convolution->bias);
    if (auto* linear = part->as<torch::nn::Linear>()) GlorotWithZeroBias(linear->weight, linear->bias);
  }
}

void InitializeConvolutionsByFanOut(torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/false)) {
    auto* convolution = part->as<torch::nn::Conv2d>();
    if (convolution != nullptr) torch::nn::init::kaiming_normal_(convolution->weight, 0, torch::kFanOut, torch::kReLU);
  }
}

}  // namespace tutti::trainer
