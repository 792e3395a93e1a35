#include "worker/trainer/models/fused_pool.h"

#include <torch/torch.h>

#include "worker/trainer/models/fused_pool_kernels.h"

namespace tutti::trainer {
namespace {

bool FastPathTakes(const at::Tensor& input) {
  return input.dim() == 4 && input.device().is_cpu() && input.scalar_type() == at::kFloat && input.is_contiguous() &&
         input.size(2) >= 2 && input.size(3) >= 2;
}

PoolShape ShapeOf(at::IntArrayRef sizes) { return {sizes[0] * sizes[1], sizes[2], sizes[3]}; }

at::Tensor EmptyOutput(const at::Tensor& input, at::ScalarType type) {
  return at::empty({input.size(0), input.size(1), input.size(2) / 2, input.size(3) / 2}, input.options().dtype(type));
}

class FusedPool : public torch::autograd::Function<FusedPool> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input) {
    at::Tensor output = EmptyOutput(input, at::kFloat);
    at::Tensor winners = EmptyOutput(input, at::kByte);
    PoolForward(ShapeOf(input.sizes()), input.const_data_ptr<float>(), output.mutable_data_ptr<float>(),
                winners.mutable_data_ptr<uint8_t>());
    context->saved_data["winners"] = std::move(winners);
    context->saved_data["height"] = input.size(2);
    context->saved_data["width"] = input.size(3);
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    TORCH_CHECK(!(at::GradMode::is_enabled() && gradients[0].requires_grad()),
                "the gradient of MaxPoolRelu cannot be differentiated again");
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor winners = context->saved_data["winners"].toTensor();
    at::Tensor result = at::empty({gradient.size(0), gradient.size(1), context->saved_data["height"].toInt(),
                                   context->saved_data["width"].toInt()},
                                  gradient.options());
    PoolBackward(ShapeOf(result.sizes()), gradient.const_data_ptr<float>(), winners.const_data_ptr<uint8_t>(),
                 result.mutable_data_ptr<float>());
    return {std::move(result)};
  }
};

at::Tensor ForwardOnly(const at::Tensor& input) {
  at::Tensor output = EmptyOutput(input, at::kFloat);
  PoolForwardOnly(ShapeOf(input.sizes()), input.const_data_ptr<float>(), output.mutable_data_ptr<float>());
  return output;
}

}  // namespace

at::Tensor MaxPoolRelu(const at::Tensor& input) {
  if (!FastPathTakes(input)) return at::relu(at::max_pool2d(input, {2, 2}));
  if (at::GradMode::is_enabled() && input.requires_grad()) return FusedPool::apply(input);
  return ForwardOnly(input);
}

}  // namespace tutti::trainer
