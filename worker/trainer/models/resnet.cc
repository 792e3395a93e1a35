// Residual networks for CIFAR (He et al. 2015, "Deep residual learning for image recognition", section 4.2): three
// stages of blocks, 6n+2 layers, with torchvision's names and its way to change the shape (1x1 convolution and batch
// norm, the paper's option B).
#include <torch/torch.h>

#include <array>
#include <vector>

#include "worker/trainer/models/builders.h"
#include "worker/trainer/models/initialization.h"

namespace tutti::trainer {
namespace {

torch::nn::Conv2d Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

class BasicBlock : public torch::nn::Module {
 public:
  BasicBlock(int64_t in, int64_t out, int64_t stride)
      : conv1_(register_module("conv1", Convolution(in, out, 3, stride))),
        bn1_(register_module("bn1", torch::nn::BatchNorm2d(out))),
        conv2_(register_module("conv2", Convolution(out, out, 3, 1))),
        bn2_(register_module("bn2", torch::nn::BatchNorm2d(out))) {
    if (stride == 1 && in == out) return;
    downsample_ = register_module("downsample",
                                  torch::nn::Sequential(Convolution(in, out, 1, stride), torch::nn::BatchNorm2d(out)));
  }

  at::Tensor Forward(const at::Tensor& inputs) {
    at::Tensor x = bn1_->forward(conv1_->forward(inputs)).relu_();
    x = bn2_->forward(conv2_->forward(x));
    return x.add_(downsample_ ? downsample_->forward(inputs) : inputs).relu_();
  }

 private:
  torch::nn::Conv2d conv1_;
  torch::nn::BatchNorm2d bn1_;
  torch::nn::Conv2d conv2_;
  torch::nn::BatchNorm2d bn2_;
  torch::nn::Sequential downsample_{nullptr};
};

class Resnet : public Model {
 public:
  // Two strides of 2 leave 2x2 of 5x5: one pixel would be too few for the batch norm of a single image.
  static constexpr int64_t kLeastSize = 5;

  Resnet(const ModelRequest& request, int64_t blocks_per_stage)
      : Resnet(request, blocks_per_stage, request.parameters.at("width").get<int64_t>()) {}

  at::Tensor Forward(const at::Tensor& inputs) override {
    at::Tensor x = bn1_->forward(conv1_->forward(inputs)).relu_();
    for (const auto& block : blocks_) x = block->Forward(x);
    x = x.mean({2, 3});
    if (dropout_ > 0) x = torch::dropout(x, dropout_, is_training());
    return fc_->forward(x);
  }

 private:
  Resnet(const ModelRequest& request, int64_t blocks_per_stage, int64_t width)
      : dropout_(request.parameters.at("dropout").get<double>()),
        conv1_(register_module("conv1", Convolution(request.input.channels, width, 3, 1))),
        bn1_(register_module("bn1", torch::nn::BatchNorm2d(width))) {
    AddStage("layer1", width, width, 1, blocks_per_stage);
    AddStage("layer2", width, 2 * width, 2, blocks_per_stage);
    AddStage("layer3", 2 * width, 4 * width, 2, blocks_per_stage);
    fc_ = register_module("fc", torch::nn::Linear(4 * width, request.classes));
    InitializeConvolutionsByFanOut(*this);
    InitializeAs(request.parameters, *this);
  }

  void AddStage(const char* name, int64_t in, int64_t out, int64_t stride, int64_t blocks) {
    torch::nn::ModuleList stage = register_module(name, torch::nn::ModuleList());
    for (int64_t i = 0; i < blocks; ++i) {
      blocks_.push_back(std::make_shared<BasicBlock>(i == 0 ? in : out, out, i == 0 ? stride : 1));
      stage->push_back(std::shared_ptr<torch::nn::Module>(blocks_.back()));
    }
  }

  double dropout_;
  torch::nn::Conv2d conv1_;
  torch::nn::BatchNorm2d bn1_;
  std::vector<std::shared_ptr<BasicBlock>> blocks_;
  torch::nn::Linear fc_{nullptr};
};

Result<std::shared_ptr<Model>> Make(const ModelRequest& request, int64_t blocks_per_stage) {
  TUTTI_RETURN_IF_ERROR(CheckSize(request.input, Resnet::kLeastSize));
  return std::make_shared<Resnet>(request, blocks_per_stage);
}

}  // namespace

Result<std::shared_ptr<Model>> MakeResnet8(const ModelRequest& request) { return Make(request, 1); }
Result<std::shared_ptr<Model>> MakeResnet20(const ModelRequest& request) { return Make(request, 3); }

}  // namespace tutti::trainer
