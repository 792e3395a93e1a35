#include "common/spec/registries.h"

namespace tutti::spec {
namespace {

Parameter LearningRate(double value) {
  return {"lr", Above(0), value, "Learning rate; the schedule changes it over time."};
}

Parameter WeightDecay(double value, const char* sentence) { return {"weight_decay", AtLeast(0), value, sentence}; }

std::optional<std::string> CheckNesterov(const Json& parameters) {
  const bool nesterov = parameters.at("nesterov").get<bool>();
  const bool possible = parameters.at("momentum").get<double>() > 0 && parameters.at("dampening").get<double>() == 0;
  if (!nesterov || possible) return std::nullopt;
  return "nesterov is true without momentum or with dampening; allowed: momentum above 0 and dampening 0";
}

std::vector<Parameter> AdamParameters(Parameter weight_decay) {
  return {LearningRate(0.001),
          {"beta1", FromToBelow(0, 1), 0.9, "Decay of the running mean of the gradient."},
          {"beta2", FromToBelow(0, 1), 0.999, "Decay of the running mean of its square."},
          {"eps", Above(0), 1e-8, "Added to the denominator (PyTorch's default; Keras has 1e-7)."},
          std::move(weight_decay)};
}

Descriptor Sgd() {
  return {"sgd",
          "Stochastic gradient descent with momentum, as PyTorch's.",
          {LearningRate(0.05),
           {"momentum", FromToBelow(0, 1), 0.9, "Part of the last update that goes into the next."},
           {"nesterov", SwitchType{}, false, "Nesterov's momentum; wants `momentum` above 0 and `dampening` 0."},
           {"dampening", AtLeast(0), 0.0, "Damps the gradient that goes into the momentum."},
           WeightDecay(0, "L2 penalty, added to the gradient.")},
          "",
          CheckNesterov};
}

Descriptor Adam() {
  return {"adam", "Adam (Kingma and Ba, 2015), as PyTorch's.",
          AdamParameters(WeightDecay(0, "L2 penalty, added to the gradient."))};
}

Descriptor AdamW() {
  return {"adamw", "Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as PyTorch's.",
          AdamParameters(WeightDecay(0.01, "Decay of the weights, apart from the gradient."))};
}

}  // namespace

std::vector<Descriptor> OptimizerDescriptors() { return {Sgd(), Adam(), AdamW()}; }

}  // namespace tutti::spec
