#include <torch/torch.h>

#include "worker/trainer/models/builders.h"
#include "worker/trainer/models/fused_pool.h"
#include "worker/trainer/models/initialization.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kKernel = 5;

torch::nn::Conv2d Convolution(int64_t in, int64_t out, int64_t padding) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kKernel).padding(padding));
}

// LeCun et al. 1998, "Gradient-based learning applied to document recognition", with ReLU and max-pooling. The first
// convolution is padded by 2, since the paper's images had 32x32 pixels around digits of 28x28.
class ClassicLenet5 : public Model {
 public:
  static constexpr int64_t kLeastSize = 12;  // 12 -> pool 6 -> convolution 2 -> pool 1

  explicit ClassicLenet5(const ModelRequest& request)
      : conv1_(register_module("conv1", Convolution(request.input.channels, 6, 2))),
        conv2_(register_module("conv2", Convolution(6, 16, 0))),
        fc1_(register_module(
            "fc1", torch::nn::Linear(16 * SizeAtEnd(request.input.height) * SizeAtEnd(request.input.width), 120))),
        fc2_(register_module("fc2", torch::nn::Linear(120, 84))),
        fc3_(register_module("fc3", torch::nn::Linear(84, request.classes))) {
    InitializeAs(request.parameters, *this);
  }

  at::Tensor Forward(const at::Tensor& inputs) override {
    at::Tensor x = MaxPoolRelu(conv1_->forward(inputs));
    x = MaxPoolRelu(conv2_->forward(x));
    x = fc1_->forward(x.flatten(1)).relu_();
    x = fc2_->forward(x).relu_();
    return fc3_->forward(x);
  }

 private:
  static int64_t SizeAtEnd(int64_t size) { return (size / 2 - (kKernel - 1)) / 2; }

  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_, fc3_;
};

// As uncertainty-baselines has it (https://github.com/google/uncertainty-baselines): every convolution keeps the size,
// and the layer of 120 is a third convolution.
class SameLenet5 : public Model {
 public:
  static constexpr int64_t kLeastSize = 4;  // two pools

  explicit SameLenet5(const ModelRequest& request)
      : conv1_(register_module("conv1", Convolution(request.input.channels, 6, kKernel / 2))),
        conv2_(register_module("conv2", Convolution(6, 16, kKernel / 2))),
        conv3_(register_module("conv3", Convolution(16, 120, kKernel / 2))),
        fc1_(register_module("fc1",
                             torch::nn::Linear(120 * (request.input.height / 4) * (request.input.width / 4), 84))),
        fc2_(register_module("fc2", torch::nn::Linear(84, request.classes))) {
    InitializeAs(request.parameters, *this);
  }

  at::Tensor Forward(const at::Tensor& inputs) override {
    at::Tensor x = MaxPoolRelu(conv1_->forward(inputs));
    x = MaxPoolRelu(conv2_->forward(x));
    x = conv3_->forward(x).relu_();
    x = fc1_->forward(x.flatten(1)).relu_();
    return fc2_->forward(x);
  }

 private:
  torch::nn::Conv2d conv1_, conv2_, conv3_;
  torch::nn::Linear fc1_, fc2_;
};

template <typename Network>
Result<std::shared_ptr<Model>> Make(const ModelRequest& request) {
  TUTTI_RETURN_IF_ERROR(CheckSize(request.input, Network::kLeastSize));
  return std::make_shared<Network>(request);
}

}  // namespace

Result<std::shared_ptr<Model>> MakeLenet5(const ModelRequest& request) {
  return request.parameters.at("padding") == "same" ? Make<SameLenet5>(request) : Make<ClassicLenet5>(request);
}

}  // namespace tutti::trainer
