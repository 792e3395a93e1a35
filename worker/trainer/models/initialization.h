// First weights.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <mutex>

#include "common/json.h"

namespace tutti::trainer {

// torch::nn draws from the process's default generator. While this lives that generator draws from `seed`, as after
// torch.manual_seed(seed) in Python; then it goes on as if nothing had been drawn. One lives at a time, others wait;
// nobody else may draw from the default generator meanwhile.
class SeededDrawing {
 public:
  explicit SeededDrawing(int64_t seed);
  SeededDrawing(const SeededDrawing&) = delete;
  SeededDrawing& operator=(const SeededDrawing&) = delete;
  ~SeededDrawing();

 private:
  std::unique_lock<std::mutex> lock_;
  at::Tensor state_before_;
};

// Draws all weights of convolutions and linear layers again, in the order of the modules, as the parameter `init` says:
// `torch` leaves what the constructors drew; `glorot` is Glorot-uniform with zero biases (Glorot, Bengio 2010), as
// Keras does by default.
void InitializeAs(const Json& parameters, torch::nn::Module& module);

// Convolutions normal with He's deviation by fan-out (He et al. 2015, "Delving deep into rectifiers"), as torchvision
// initialises residual networks.
void InitializeConvolutionsByFanOut(torch::nn::Module& module);

}  // namespace tutti::trainer
