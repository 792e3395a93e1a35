// The loops of fused_pool.h on plain memory. LibTorch-free, and compiled for speed in every build.
#pragma once

#include <cstdint>

namespace tutti::trainer {

// Of the input; the output has height / 2 rows of width / 2. Height and width are at least 2.
struct PoolShape {
  int64_t planes = 0;  // batch * channels
  int64_t height = 0;
  int64_t width = 0;
};

// `winners` tells for each output which of its four inputs gets the gradient, in the order of rows (0 to 3), or none
// (4). As ATen chooses: the first of equal ones, the last NaN of several, none where the output is 0 or below.
void PoolForward(const PoolShape& shape, const float* input, float* output, uint8_t* winners);
void PoolForwardOnly(const PoolShape& shape, const float* input, float* output);
void PoolBackward(const PoolShape& shape, const float* gradient, const uint8_t* winners, float* result);

}  // namespace tutti::trainer
