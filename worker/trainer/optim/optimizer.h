// Optimizers on flat storage: LibTorch's fused kernels, whose results are those of torch.optim (`fused=True`).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/trainer/optim/flat_parameters.h"

namespace tutti::trainer {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of the values from the gradients that it was made with.
  virtual void Step(double learning_rate) = 0;

  // What it remembers between steps, each a tensor of the values' layout ("momentum_buffer", "exp_avg"). Written to
  // and restored in place.
  virtual std::vector<NamedArray> State() const = 0;

  // How many steps were made; set after State() was restored.
  virtual void SetSteps(int64_t steps) = 0;
};

// `values` and `gradients` are float32 [n] and are kept. kInvalid: an unknown name, or parameters that are missing or
// of the wrong type.
Result<std::unique_ptr<Optimizer>> MakeOptimizer(const spec::Choice& choice, at::Tensor values, at::Tensor gradients);

// The learning rate that a schedule scales. kInvalid.
Result<double> BaseLearningRate(const spec::Choice& optimizer);

// Scales the gradients down to at most this L2 norm, as torch.nn.utils.clip_grad_norm_ does. A norm that is not finite
// makes them not finite.
void ClipGradients(const at::Tensor& gradients, double maximum_norm);

}  // namespace tutti::trainer
