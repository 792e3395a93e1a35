// All parameters of a model as views of one contiguous tensor, all gradients as views of another, so that all-reduce,
// clipping, the optimizer's step and snapshots act on a few large slices.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace tutti::trainer {

struct NamedArray {
  std::string name;
  at::Tensor tensor;
};

// Slices lie in the order in which backward roughly completes them: the reverse of the order of registration. Each
// begins at a multiple of 64 bytes; the padding between them stays zero under every optimizer.
//
// The model keeps the views for good. What breaks them is `zero_grad()`, a change of dtype or memory format and
// `torch::load`; CheckViews() notices.
class FlatParameters {
 public:
  // Floats behind the gradients that travel with them through the all-reduce: what a step must agree on besides.
  static constexpr int64_t kTailElements = 16;

  struct Slice {
    std::string name;        // "conv1.weight"
    at::Tensor parameter;    // the model's own, now a view
    int64_t offset = 0;      // in elements
    int64_t padded_end = 0;  // where the next slice begins
  };

  // Every parameter must be float32 and on one device (TUTTI_CHECK).
  explicit FlatParameters(torch::nn::Module& model);

  const std::vector<Slice>& slices() const { return slices_; }
  const at::Tensor& values() const { return values_; }                      // float32 [n]
  const at::Tensor& gradients() const { return gradients_; }                // float32 [n]
  const at::Tensor& tail() const { return tail_; }                          // float32 [kTailElements]
  const at::Tensor& gradients_with_tail() const { return all_gradients_; }  // float32 [n + kTailElements]

  // Slices of another tensor of the same layout, under the parameters' names in the order of registration.
  std::vector<NamedArray> ViewsOf(const at::Tensor& flat) const;

  // kInternal, naming the parameter whose value or gradient no longer lies in the flat tensors.
  Result<void> CheckViews() const;

 private:
  std::vector<Slice> slices_;
  at::Tensor values_, all_gradients_, gradients_, tail_;
};

}  // namespace tutti::trainer
