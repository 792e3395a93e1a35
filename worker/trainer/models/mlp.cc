#include <torch/torch.h>

#include <vector>

#include "worker/trainer/models/builders.h"
#include "worker/trainer/models/initialization.h"

namespace tutti::trainer {
namespace {

// Fully connected layers fc1, fc2, ... with ReLU and dropout after each but the last.
class Mlp : public Model {
 public:
  explicit Mlp(const ModelRequest& request) : dropout_(request.parameters.at("dropout").get<double>()) {
    int64_t features = request.input.channels * request.input.height * request.input.width;
    for (const int64_t hidden : request.parameters.at("hidden").get<std::vector<int64_t>>()) {
      AddLayer(features, hidden);
      features = hidden;
    }
    AddLayer(features, request.classes);
    InitializeAs(request.parameters, *this);
  }

  at::Tensor Forward(const at::Tensor& inputs) override {
    at::Tensor x = inputs.flatten(1);
    for (size_t i = 0; i + 1 < layers_.size(); ++i) {
      x = layers_[i]->forward(x).relu_();
      if (dropout_ > 0) x = torch::dropout(x, dropout_, is_training());
    }
    return layers_.back()->forward(x);
  }

 private:
  void AddLayer(int64_t in, int64_t out) {
    layers_.push_back(register_module(fmt::format("fc{}", layers_.size() + 1), torch::nn::Linear(in, out)));
  }

  double dropout_;
  std::vector<torch::nn::Linear> layers_;
};

}  // namespace

Result<std::shared_ptr<Model>> MakeMlp(const ModelRequest& request) { return std::make_shared<Mlp>(request); }

}  // namespace tutti::trainer
