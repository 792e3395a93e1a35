#include "worker/trainer/optim/optimizer.h"

#include <torch/torch.h>

#include <utility>

#include "worker/trainer/optim/choice.h"

namespace tutti::trainer {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(const spec::Choice& choice, at::Tensor values, at::Tensor gradients)
      : values_(std::move(values)),
        gradients_(std::move(gradients)),
        momentum_(Number(choice, "momentum")),
        dampening_(Number(choice, "dampening")),
        weight_decay_(Number(choice, "weight_decay")),
        nesterov_(choice.parameters.at("nesterov").get<bool>()) {
    if (momentum_ != 0) momentum_buffer_ = at::zeros_like(values_);
  }

  void Step(double learning_rate) override {
    const bool is_first_step = steps_++ == 0;
    if (momentum_ == 0) {
      at::_fused_sgd_({values_}, {gradients_}, {}, weight_decay_, 0, learning_rate, dampening_, /*nesterov=*/false,
                      /*maximize=*/false, is_first_step);
      return;
    }
    at::_fused_sgd_({values_}, {gradients_}, {momentum_buffer_}, weight_decay_, momentum_, learning_rate, dampening_,
                    nesterov_, /*maximize=*/false, is_first_step);
  }

  std::vector<NamedArray> State() const override {
    if (momentum_ == 0) return {};
    return {{"momentum_buffer", momentum_buffer_}};
  }

  void SetSteps(int64_t steps) override { steps_ = steps; }

 private:
  at::Tensor values_, gradients_, momentum_buffer_;
  double momentum_, dampening_, weight_decay_;
  bool nesterov_;
  int64_t steps_ = 0;
};

// Adam with the weight decay added to the gradient, AdamW with it decoupled (https://arxiv.org/abs/1711.05101).
class Adam : public Optimizer {
 public:
  enum class Decay { kCoupled, kDecoupled };

  Adam(Decay decay, const spec::Choice& choice, at::Tensor values, at::Tensor gradients)
      : decay_(decay),
        values_(std::move(values)),
        gradients_(std::move(gradients)),
        average_(at::zeros_like(values_)),
        square_average_(at::zeros_like(values_)),
        steps_(at::zeros({}, values_.options())),
        beta1_(Number(choice, "beta1")),
        beta2_(Number(choice, "beta2")),
        eps_(Number(choice, "eps")),
        weight_decay_(Number(choice, "weight_decay")) {}

  void Step(double learning_rate) override {
    steps_.add_(1);
    const auto fused = [&](auto&& kernel) {
      kernel({values_}, {gradients_}, {average_}, {square_average_}, {}, {steps_}, learning_rate, beta1_, beta2_,
             weight_decay_, eps_, /*amsgrad=*/false, /*maximize=*/false);
    };
    using List = at::TensorList;
    if (decay_ == Decay::kDecoupled) {
      fused([](List v, List g, List m, List s, List x, List n, auto... rest) {
        at::_fused_adamw_(v, g, m, s, x, n, rest...);
      });
    } else {
      fused([](List v, List g, List m, List s, List x, List n, auto... rest) {
        at::_fused_adam_(v, g, m, s, x, n, rest...);
      });
    }
  }

  std::vector<NamedArray> State() const override { return {{"exp_avg", average_}, {"exp_avg_sq", square_average_}}; }

  void SetSteps(int64_t steps) override { steps_.fill_(steps); }

 private:
  Decay decay_;
  at::Tensor values_, gradients_, average_, square_average_, steps_;
  double beta1_, beta2_, eps_, weight_decay_;
};

template <Adam::Decay kDecay>
std::unique_ptr<Optimizer> MakeAdam(const spec::Choice& choice, at::Tensor values, at::Tensor gradients) {
  return std::make_unique<Adam>(kDecay, choice, std::move(values), std::move(gradients));
}

std::unique_ptr<Optimizer> MakeSgd(const spec::Choice& choice, at::Tensor values, at::Tensor gradients) {
  return std::make_unique<Sgd>(choice, std::move(values), std::move(gradients));
}

struct Registration {
  const char* name;
  std::unique_ptr<Optimizer> (*make)(const spec::Choice&, at::Tensor, at::Tensor);
};
constexpr Registration kOptimizers[] = {
    {"sgd", MakeSgd},
    {"adam", MakeAdam<Adam::Decay::kCoupled>},
    {"adamw", MakeAdam<Adam::Decay::kDecoupled>},
};

}  // namespace

Result<std::unique_ptr<Optimizer>> MakeOptimizer(const spec::Choice& choice, at::Tensor values, at::Tensor gradients) {
  for (const Registration& registration : kOptimizers) {
    if (choice.name != registration.name) continue;
    try {
      return registration.make(choice, std::move(values), std::move(gradients));
    } catch (const Json::exception& error) {
      return Fail(ErrorCode::kInvalid, "training.optimizer {}: {}", choice.name, error.what());
    }
  }
  return Fail(ErrorCode::kInvalid, "training.optimizer: this trainer has no optimizer \"{}\"", choice.name);
}

Result<double> BaseLearningRate(const spec::Choice& optimizer) {
  try {
    return Number(optimizer, "lr");
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kInvalid, "training.optimizer {}: {}", optimizer.name, error.what());
  }
}

void ClipGradients(const at::Tensor& gradients, double maximum_norm) {
  const at::Tensor scale = maximum_norm / (gradients.norm() + 1e-6);
  gradients.mul_(scale.clamp_max_(1.0));
}

}  // namespace tutti::trainer
