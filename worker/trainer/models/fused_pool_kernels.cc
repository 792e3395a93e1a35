#include "worker/trainer/models/fused_pool_kernels.h"

#include <algorithm>

namespace tutti::trainer {
namespace {

constexpr int32_t kNone = 4;

// All conditions below are values, not branches, and bitwise where both sides are cheap: so the loops vectorise.

inline bool Beats(float challenger, float best) {
  return static_cast<bool>(static_cast<int>(challenger > best) | static_cast<int>(challenger != challenger));
}

// max(x, 0) that keeps NaN and -0 as at::relu does.
inline float Relu(float x) { return x < 0.0f ? 0.0f : x; }

void PoolRow(const float* __restrict top, const float* __restrict bottom, int64_t count, float* __restrict output,
             uint8_t* __restrict winners) {
  for (int64_t x = 0; x < count; ++x) {
    const float a = top[2 * x], b = top[2 * x + 1], c = bottom[2 * x], d = bottom[2 * x + 1];
    const bool b_beats = Beats(b, a);
    const float ab = b_beats ? b : a;
    int32_t winner = b_beats ? 1 : 0;
    const bool c_beats = Beats(c, ab);
    const float abc = c_beats ? c : ab;
    winner = c_beats ? 2 : winner;
    const bool d_beats = Beats(d, abc);
    const float abcd = d_beats ? d : abc;
    winner = d_beats ? 3 : winner;
    winner = abcd <= 0.0f ? kNone : winner;
    output[x] = Relu(abcd);
    winners[x] = static_cast<uint8_t>(winner);
  }
}

void PoolRowOnly(const float* __restrict top, const float* __restrict bottom, int64_t count, float* __restrict output) {
  for (int64_t x = 0; x < count; ++x) {
    const float a = top[2 * x], b = top[2 * x + 1], c = bottom[2 * x], d = bottom[2 * x + 1];
    const float ab = Beats(b, a) ? b : a;
    const float abc = Beats(c, ab) ? c : ab;
    const float abcd = Beats(d, abc) ? d : abc;
    output[x] = Relu(abcd);
  }
}

void SpreadRow(const float* __restrict gradient, const uint8_t* __restrict winners, int64_t count,
               float* __restrict top, float* __restrict bottom) {
  for (int64_t x = 0; x < count; ++x) {
    const int32_t winner = winners[x];
    const float g = gradient[x] + 0.0f;  // -0 becomes +0, as where ATen adds it to 0
    top[2 * x] = winner == 0 ? g : 0.0f;
    top[2 * x + 1] = winner == 1 ? g : 0.0f;
    bottom[2 * x] = winner == 2 ? g : 0.0f;
    bottom[2 * x + 1] = winner == 3 ? g : 0.0f;
  }
}

}  // namespace

void PoolForward(const PoolShape& shape, const float* input, float* output, uint8_t* winners) {
  const int64_t rows = shape.height / 2, columns = shape.width / 2;
  for (int64_t plane = 0; plane < shape.planes; ++plane) {
    for (int64_t y = 0; y < rows; ++y) {
      const float* const top = input + 2 * y * shape.width;
      PoolRow(top, top + shape.width, columns, output + y * columns, winners + y * columns);
    }
    input += shape.height * shape.width;
    output += rows * columns;
    winners += rows * columns;
  }
}

void PoolForwardOnly(const PoolShape& shape, const float* input, float* output) {
  const int64_t rows = shape.height / 2, columns = shape.width / 2;
  for (int64_t plane = 0; plane < shape.planes; ++plane) {
    for (int64_t y = 0; y < rows; ++y) {
      const float* const top = input + 2 * y * shape.width;
      PoolRowOnly(top, top + shape.width, columns, output + y * columns);
    }
    input += shape.height * shape.width;
    output += rows * columns;
  }
}

void PoolBackward(const PoolShape& shape, const float* gradient, const uint8_t* winners, float* result) {
  const int64_t rows = shape.height / 2, columns = shape.width / 2;
  for (int64_t plane = 0; plane < shape.planes; ++plane) {
    for (int64_t y = 0; y < rows; ++y) {
      float* const top = result + 2 * y * shape.width;
      SpreadRow(gradient + y * columns, winners + y * columns, columns, top, top + shape.width);
      if (shape.width % 2 != 0) top[shape.width - 1] = top[2 * shape.width - 1] = 0.0f;
    }
    if (shape.height % 2 != 0) std::fill_n(result + 2 * rows * shape.width, shape.width, 0.0f);
    result += shape.height * shape.width;
    gradient += rows * columns;
    winners += rows * columns;
  }
}

}  // namespace tutti::trainer
