// Max-pooling and ReLU in one pass.
#pragma once

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

// relu(max_pool2d(input, 2)) for [batch, channels, height, width], bit for bit with its gradient, ties, NaN and odd
// sizes included (the last row or column is left out). ATen's own forward pooling is scalar code that branches on every
// element; on contiguous float32 on a CPU this one does not, and is about ten times as fast. All else takes ATen's
// way. Its gradient cannot be differentiated again.
at::Tensor MaxPoolRelu(const at::Tensor& input);

}  // namespace tutti::trainer
