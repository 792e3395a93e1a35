#include "worker/trainer/data/batches.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "worker/trainer/data/placements.h"
#include "worker/trainer/data/random.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::UnorderedElementsAreArray;

constexpr int64_t kHeight = 5, kWidth = 7, kChannels = 3;

// Every pixel above 0, so that padding shows; every image and channel different.
Images SomeImages(int64_t samples) {
  Images images;
  images.pixels = at::empty({samples, kChannels, kHeight, kWidth}, at::kByte);
  images.labels = at::empty({samples}, at::kLong);
  uint8_t* const pixels = images.pixels.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < images.pixels.numel(); ++i) {
    pixels[i] = static_cast<uint8_t>(1 + MixNumbers({static_cast<uint64_t>(i)}) % 255);
  }
  for (int64_t i = 0; i < samples; ++i) images.labels.mutable_data_ptr<int64_t>()[i] = i % 4;
  images.training_samples = samples;
  images.classes = 4;
  return images;
}

std::vector<int64_t> UpTo(int64_t count) {
  std::vector<int64_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

spec::Choice Crop(int padding) { return {"crop", {{"padding", padding}}}; }
spec::Choice Flip() { return {"flip", {{"direction", "horizontal"}}}; }

at::Tensor Select(const at::Tensor& images, const std::vector<int64_t>& ids) {
  return at::index_select(images, 0, at::tensor(ids, at::kLong));
}

// Bytes back from inputs that were only scaled to [0, 1].
at::Tensor BytesOf(const at::Tensor& inputs) { return (inputs * 255).round().to(at::kByte); }

TEST(EpochOrder, IsAPermutationOfTheIds) {
  const std::vector<int64_t> ids = {11, 5, 8, 2, 99, 3};
  EXPECT_THAT(EpochOrder(ids, 0, 1), UnorderedElementsAreArray(ids));
}

TEST(EpochOrder, DependsOnSeedAndEpochAlone) {
  const std::vector<int64_t> ids = UpTo(1000);
  EXPECT_EQ(EpochOrder(ids, 3, 2), EpochOrder(ids, 3, 2));
  EXPECT_NE(EpochOrder(ids, 3, 2), EpochOrder(ids, 3, 1));
  EXPECT_NE(EpochOrder(ids, 3, 2), EpochOrder(ids, 2, 3));
}

TEST(EpochOrder, OfNothingIsNothing) { EXPECT_TRUE(EpochOrder({}, 0, 0).empty()); }

TEST(MixNumbers, TellsTuplesApart) {
  EXPECT_EQ(MixNumbers({1, 2}), MixNumbers({1, 2}));
  EXPECT_NE(MixNumbers({1, 2}), MixNumbers({2, 1}));
  EXPECT_NE(MixNumbers({1}), MixNumbers({1, 0}));
  EXPECT_NE(MixNumbers({0}), MixNumbers({0, 0}));
}

// The first output of SplitMix64 seeded with 0 (https://prng.di.unimi.it/splitmix64.c): runs are to be repeated on
// other machines and by later versions.
TEST(MixNumbers, IsSplitMix64) { EXPECT_EQ(MixNumbers({0}), 0xE220A8397B1DCDAFu); }

TEST(ComputeNormalization, IsThatOfTheGivenSamplesOnly) {
  const Images images = SomeImages(9);
  const std::vector<int64_t> ids = {7, 1, 4};
  const Normalization normalization = ComputeNormalization(images, ids);
  const at::Tensor chosen = Select(images.pixels, ids).to(at::kDouble) / 255;
  for (int64_t channel = 0; channel < kChannels; ++channel) {
    const at::Tensor values = chosen.select(1, channel);
    EXPECT_NEAR(normalization.mean[static_cast<size_t>(channel)], values.mean().item<double>(), 1e-12);
    EXPECT_NEAR(normalization.deviation[static_cast<size_t>(channel)],
                at::std(values, /*unbiased=*/false).item<double>(), 1e-12);
  }
}

TEST(ComputeNormalization, DoesNotDependOnTheOrder) {
  const Images images = SomeImages(50);
  std::vector<int64_t> ids = UpTo(50);
  const Normalization forward = ComputeNormalization(images, ids);
  std::reverse(ids.begin(), ids.end());
  const Normalization backward = ComputeNormalization(images, ids);
  EXPECT_EQ(forward.mean, backward.mean);
  EXPECT_EQ(forward.deviation, backward.deviation);
}

TEST(ComputeNormalization, OfOneValueDividesByOne) {
  Images images = SomeImages(3);
  images.pixels.fill_(77);
  const Normalization normalization = ComputeNormalization(images, UpTo(3));
  EXPECT_THAT(normalization.deviation, ElementsAre(1, 1, 1));
  BatchMaker maker(images, normalization, {}, 0);
  EXPECT_LT(maker.Evaluation(UpTo(3)).inputs.abs().max().item<float>(), 1e-6f);
}

TEST(BatchMaker, NormalisesEachChannel) {
  const Images images = SomeImages(9);
  const Normalization normalization = {{0.25, 0.5, 0.75}, {0.5, 0.25, 2}};
  BatchMaker maker(images, normalization, {}, 0);
  const std::vector<int64_t> ids = {8, 0, 0, 3};
  const auto batch = maker.Evaluation(ids);
  const at::Tensor mean = at::tensor(normalization.mean).view({1, 3, 1, 1});
  const at::Tensor deviation = at::tensor(normalization.deviation).view({1, 3, 1, 1});
  const at::Tensor expected = (Select(images.pixels, ids).to(at::kDouble) / 255 - mean) / deviation;
  EXPECT_EQ(batch.inputs.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(batch.inputs.to(at::kDouble), expected, 1e-6, 1e-6));
  EXPECT_TRUE(at::equal(batch.labels, Select(images.labels, ids)));
}

TEST(BatchMaker, LeavesPixelsBetweenZeroAndOneWithoutNormalisation) {
  const Images images = SomeImages(4);
  BatchMaker maker(images, {}, {}, 0);
  EXPECT_TRUE(at::equal(BytesOf(maker.Evaluation(UpTo(4)).inputs), images.pixels));
}

TEST(BatchMaker, EvaluatesWithoutAugmentation) {
  const Images images = SomeImages(40);
  BatchMaker augmenting(images, {}, {Crop(2), Flip()}, 1), plain(images, {}, {}, 1);
  EXPECT_TRUE(at::equal(augmenting.Evaluation(UpTo(40)).inputs, plain.Evaluation(UpTo(40)).inputs));
  EXPECT_FALSE(at::equal(augmenting.Training(UpTo(40), 0, 0).inputs, plain.Training(UpTo(40), 0, 0).inputs));
}

// What every width of gang and every resume rely on.
TEST(BatchMaker, AugmentsAlikeHoweverAnEpochIsCut) {
  const Images images = SomeImages(60);
  const std::vector<int64_t> order = EpochOrder(UpTo(60), 5, 3);
  BatchMaker whole(images, {}, {Crop(2), Flip()}, 5);
  const at::Tensor expected = whole.Training(order, 3, 0).inputs;
  for (const size_t cut : {1u, 7u, 32u}) {
    BatchMaker maker(images, {}, {Crop(2), Flip()}, 5);
    std::vector<at::Tensor> parts;
    for (size_t first = 0; first < order.size(); first += cut) {
      const auto ids = std::span(order).subspan(first, std::min(cut, order.size() - first));
      parts.push_back(maker.Training(ids, 3, static_cast<int64_t>(first)).inputs.clone());
    }
    EXPECT_TRUE(at::equal(at::cat(parts), expected)) << "in parts of " << cut;
  }
}

TEST(BatchMaker, AugmentsDifferentlyForEverySeedAndEpochAndPosition) {
  const Images images = SomeImages(60);
  BatchMaker first(images, {}, {Crop(2), Flip()}, 5), second(images, {}, {Crop(2), Flip()}, 6);
  const at::Tensor inputs = first.Training(UpTo(60), 3, 0).inputs;
  EXPECT_FALSE(at::equal(second.Training(UpTo(60), 3, 0).inputs, inputs));
  EXPECT_FALSE(at::equal(first.Training(UpTo(60), 4, 0).inputs, inputs));
  EXPECT_FALSE(at::equal(first.Training(UpTo(60), 3, 60).inputs, inputs));
}

at::Tensor ShiftedNaively(const at::Tensor& image, int64_t down, int64_t right) {
  at::Tensor shifted = at::zeros_like(image);
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      const int64_t from_y = y + down, from_x = x + right;
      if (from_y < 0 || from_y >= kHeight || from_x < 0 || from_x >= kWidth) continue;
      shifted.select(1, y).select(1, x).copy_(image.select(1, from_y).select(1, from_x));
    }
  }
  return shifted;
}

TEST(BatchMaker, CropsEveryWindowOfThePaddedImageEquallyOften) {
  const Images images = SomeImages(1);
  BatchMaker maker(images, {}, {Crop(1)}, 0);
  constexpr int64_t kDraws = 9000;
  const at::Tensor crops = BytesOf(maker.Training(std::vector<int64_t>(kDraws, 0), 0, 0).inputs);
  int64_t found = 0;
  for (int64_t down = -1; down <= 1; ++down) {
    for (int64_t right = -1; right <= 1; ++right) {
      const at::Tensor window = ShiftedNaively(images.pixels[0], down, right);
      const int64_t count = (crops == window).flatten(1).all(1).sum().item<int64_t>();
      EXPECT_NEAR(static_cast<double>(count), 1000, 150) << down << ", " << right;  // five deviations
      found += count;
    }
  }
  EXPECT_EQ(found, kDraws);
}

TEST(BatchMaker, CropsWithMorePaddingThanTheImageIsWide) {
  const Images images = SomeImages(1);
  BatchMaker maker(images, {}, {Crop(20)}, 0);
  const at::Tensor crops = BytesOf(maker.Training(std::vector<int64_t>(500, 0), 0, 0).inputs);
  const int64_t black = (crops == 0).flatten(1).all(1).sum().item<int64_t>();
  EXPECT_GT(black, 350);
  EXPECT_LT(black, 500);
}

TEST(BatchMaker, CropsPadWithBlackBeforeItNormalises) {
  const Images images = SomeImages(1);
  BatchMaker maker(images, {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}}, {Crop(20)}, 0);
  EXPECT_FLOAT_EQ(maker.Training(std::vector<int64_t>(500, 0), 0, 0).inputs.min().item<float>(), -2.0f);
}

TEST(BatchMaker, FlipsHalfOfTheImages) {
  const Images images = SomeImages(1);
  BatchMaker maker(images, {}, {Flip()}, 0);
  const at::Tensor inputs = BytesOf(maker.Training(std::vector<int64_t>(4000, 0), 0, 0).inputs);
  const auto count = [&](const at::Tensor& image) { return (inputs == image).flatten(1).all(1).sum().item<int64_t>(); };
  const int64_t flipped = count(images.pixels[0].flip({2}));
  EXPECT_NEAR(static_cast<double>(flipped), 2000, 160);  // five deviations
  EXPECT_EQ(flipped + count(images.pixels[0]), 4000);
}

// A batch that someone still holds, whole or by a view, must not change below them.
TEST(BatchMaker, WritesOnlyIntoBatchesThatNobodyHolds) {
  const Images images = SomeImages(8);
  BatchMaker maker(images, {}, {}, 0);
  const auto first = maker.Evaluation(std::vector<int64_t>{0, 1});
  at::Tensor view = maker.Evaluation(std::vector<int64_t>{2, 3}).inputs.select(0, 0);
  maker.Evaluation(std::vector<int64_t>{4, 5});
  EXPECT_TRUE(at::equal(BytesOf(first.inputs), Select(images.pixels, {0, 1})));
  EXPECT_TRUE(at::equal(BytesOf(view), images.pixels[2]));
  view.reset();
  const void* const address = maker.Evaluation(std::vector<int64_t>{6, 7}).inputs.const_data_ptr();
  EXPECT_EQ(maker.Evaluation(std::vector<int64_t>{0, 1}).inputs.const_data_ptr(), address);
}

TEST(BatchMaker, MakesAnEmptyBatchForARankWithNothingToDo) {
  const Images images = SomeImages(2);
  BatchMaker maker(images, {}, {Flip()}, 0);
  const auto batch = maker.Training({}, 0, 0);
  EXPECT_EQ(batch.inputs.sizes(), (std::vector<int64_t>{0, kChannels, kHeight, kWidth}));
  EXPECT_EQ(batch.labels.numel(), 0);
}

TEST(Augmentations, RefuseWhatTheyDoNotKnow) {
  const std::vector<spec::Choice> unknown = {{"rotate", Json::object()}};
  const std::vector<spec::Choice> negative = {{"crop", {{"padding", -1}}}};
  EXPECT_EQ(Augmentations::Make(unknown).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(Augmentations::Make(negative).error().code, ErrorCode::kInvalid);
}

// An axis of marks 1 to size, moved as the placement says; 0 where nothing shows.
std::vector<int64_t> Shown(const AxisPlacement& axis) {
  std::vector<int64_t> marks(static_cast<size_t>(axis.size));
  for (int64_t x = axis.first; x < axis.last; ++x) {
    marks[static_cast<size_t>(x)] = axis.direction * x + axis.offset + 1;
  }
  return marks;
}

std::vector<int64_t> ShiftedMarks(const std::vector<int64_t>& marks, int64_t distance) {
  std::vector<int64_t> shifted(marks.size());
  for (int64_t x = 0; x < std::ssize(marks); ++x) {
    const int64_t from = x + distance;
    if (from >= 0 && from < std::ssize(marks)) shifted[static_cast<size_t>(x)] = marks[static_cast<size_t>(from)];
  }
  return shifted;
}

TEST(AxisPlacement, ComposesMovesAsIfEachMadeAnImage) {
  for (uint64_t trial = 0; trial < 500; ++trial) {
    const int64_t size = 1 + BelowLimit(MixNumbers({trial}), 9);
    AxisPlacement axis = AxisPlacement::Whole(size);
    std::vector<int64_t> expected = Shown(axis);
    for (uint64_t move = 0; move < 4; ++move) {
      const int64_t distance = BelowLimit(MixNumbers({trial, move}), 13) - 6;
      if (distance == 0) {
        axis.Reverse();
        std::reverse(expected.begin(), expected.end());
      } else {
        axis.Shift(distance);
        expected = ShiftedMarks(expected, distance);
      }
      ASSERT_THAT(Shown(axis), ElementsAreArray(expected)) << "trial " << trial << ", move " << move;
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
