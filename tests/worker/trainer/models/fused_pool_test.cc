#include "worker/trainer/models/fused_pool.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace tutti::trainer {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// at::equal takes NaN as different and -0 as equal to 0.
bool SameBits(const at::Tensor& left, const at::Tensor& right) {
  const at::Tensor l = left.contiguous(), r = right.contiguous();
  return l.sizes() == r.sizes() && l.scalar_type() == r.scalar_type() &&
         std::memcmp(l.const_data_ptr(), r.const_data_ptr(), l.nbytes()) == 0;
}

at::Tensor Reference(const at::Tensor& input) { return at::relu(at::max_pool2d(input, {2, 2})); }

struct Outcome {
  at::Tensor output, gradient;
};

template <typename Pool>
Outcome ForwardAndBackward(Pool pool, const at::Tensor& input, const at::Tensor& output_gradient) {
  at::Tensor leaf = input.detach().clone(at::MemoryFormat::Preserve).set_requires_grad(true);
  at::Tensor output = pool(leaf);
  output.backward(output_gradient);
  return {output.detach(), leaf.grad()};
}

void ExpectAsAten(const at::Tensor& input) {
  at::Tensor gradient = at::randn(Reference(input).sizes(), input.options());
  if (gradient.numel() > 0) gradient.view({-1})[0] = -0.0f;
  const Outcome expected = ForwardAndBackward(Reference, input, gradient);
  const Outcome actual = ForwardAndBackward(MaxPoolRelu, input, gradient);
  EXPECT_TRUE(SameBits(actual.output, expected.output)) << "output of " << input.sizes();
  EXPECT_TRUE(SameBits(actual.gradient, expected.gradient)) << "gradient of " << input.sizes();
  const at::NoGradGuard guard;
  EXPECT_TRUE(SameBits(MaxPoolRelu(input), expected.output)) << "output without gradient of " << input.sizes();
}

// Of few values, so that windows hold ties, zeros of both signs, infinities and NaN in every place.
at::Tensor FewValues(at::IntArrayRef shape, const std::vector<float>& values) {
  const at::Tensor choice = at::randint(static_cast<int64_t>(values.size()), shape, at::kLong);
  return at::tensor(values, at::kFloat).index({choice});
}

class MaxPoolReluTest : public testing::Test {
 protected:
  MaxPoolReluTest() { torch::manual_seed(20); }
};

TEST_F(MaxPoolReluTest, IsAtensForRandomShapes) {
  for (int trial = 0; trial < 60; ++trial) {
    const std::vector<int64_t> shape = {1 + trial % 3, 1 + trial % 4, 2 + trial % 13, 2 + (7 * trial) % 37};
    ExpectAsAten(at::randn(shape));
  }
}

TEST_F(MaxPoolReluTest, GivesTheGradientOfATieToTheFirst) {
  for (int trial = 0; trial < 40; ++trial) {
    const std::vector<int64_t> shape = {2, 3, 2 + trial % 9, 2 + (5 * trial) % 23};
    ExpectAsAten(FewValues(shape, {-1.0f, 0.0f, 1.0f, 2.0f}));
  }
}

TEST_F(MaxPoolReluTest, TreatsZerosOfBothSignsInfinitiesAndNanAsAtenDoes) {
  for (int trial = 0; trial < 40; ++trial) {
    const std::vector<int64_t> shape = {2, 3, 2 + trial % 9, 2 + (5 * trial) % 23};
    ExpectAsAten(FewValues(shape, {-0.0f, 0.0f, -1.0f}));
    ExpectAsAten(FewValues(shape, {kNan, 1.0f, -1.0f, 0.0f, -0.0f, kInfinity, -kInfinity}));
    ExpectAsAten(FewValues(shape, {kNan, -kInfinity}));
  }
}

// Every window of these values, so that none is left to chance.
TEST_F(MaxPoolReluTest, IsAtensForEveryWindowOfSpecialValues) {
  const std::vector<float> values = {kNan, -kInfinity, -1.0f, -0.0f, 0.0f, 1.0f, kInfinity};
  const int64_t count = std::ssize(values);
  at::Tensor windows = at::empty({count * count * count * count, 1, 2, 2});
  float* target = windows.mutable_data_ptr<float>();
  for (const float a : values) {
    for (const float b : values) {
      for (const float c : values) {
        for (const float d : values) {
          for (const float value : {a, b, c, d}) *target++ = value;
        }
      }
    }
  }
  ExpectAsAten(windows);
  ExpectAsAten(windows.view({7, 7, 7, 7, 2, 2}).permute({0, 1, 2, 4, 3, 5}).reshape({7, 7, 14, 14}));
}

TEST_F(MaxPoolReluTest, LeavesOutTheLastRowAndColumnOfOddSizes) {
  const at::Tensor input = at::randn({2, 3, 5, 7});
  EXPECT_EQ(MaxPoolRelu(input).sizes(), (std::vector<int64_t>{2, 3, 2, 3}));
  ExpectAsAten(input);
}

TEST_F(MaxPoolReluTest, IsAtensForWhatTheFastWayDoesNotTake) {
  ExpectAsAten(at::randn({2, 3, 6, 6}, at::kDouble));
  ExpectAsAten(at::randn({2, 8, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast));
  ExpectAsAten(at::randn({2, 3, 6, 8}).transpose(2, 3));
  ExpectAsAten(at::randn({3, 6, 6}));
}

TEST_F(MaxPoolReluTest, TakesAnEmptyBatch) {
  EXPECT_EQ(MaxPoolRelu(at::empty({0, 3, 6, 6})).sizes(), (std::vector<int64_t>{0, 3, 3, 3}));
  const Outcome outcome = ForwardAndBackward(MaxPoolRelu, at::empty({0, 3, 6, 6}), at::empty({0, 3, 3, 3}));
  EXPECT_EQ(outcome.gradient.sizes(), (std::vector<int64_t>{0, 3, 6, 6}));
}

TEST_F(MaxPoolReluTest, TakesAGradientThatIsNotContiguous) {
  const at::Tensor input = at::randn({2, 3, 6, 6});
  const at::Tensor gradient = at::randn({2, 3, 3, 3}).transpose(2, 3);
  EXPECT_TRUE(SameBits(ForwardAndBackward(MaxPoolRelu, input, gradient).gradient,
                       ForwardAndBackward(Reference, input, gradient).gradient));
}

TEST_F(MaxPoolReluTest, RefusesToBeDifferentiatedTwice) {
  at::Tensor input = at::randn({1, 1, 4, 4}).set_requires_grad(true);
  const at::Tensor output = MaxPoolRelu(input);
  at::Tensor gradient = at::ones_like(output).set_requires_grad(true);
  EXPECT_THROW(torch::autograd::grad({output}, {input}, {gradient}, /*retain_graph=*/true, /*create_graph=*/true),
               c10::Error);
}

}  // namespace
}  // namespace tutti::trainer
