// Networks that classify images.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::trainer {

struct InputShape {
  int64_t channels = 1, height = 28, width = 28;
};

// Parameter and buffer names follow torchvision where it has the model.
class Model : public torch::nn::Module {
 public:
  // float32 [batch, channels, height, width] -> logits [batch, classes]
  virtual at::Tensor Forward(const at::Tensor& inputs) = 0;
};

// Builds and initialises the model that `choice` names (its parameters as the descriptor declares them), drawing its
// weights from `seed` alone. kInvalid: unknown model, or an input too small for it, with the least size.
Result<std::shared_ptr<Model>> MakeModel(const spec::Choice& choice, InputShape input, int64_t classes, int64_t seed);

}  // namespace tutti::trainer
