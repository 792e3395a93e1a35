#include "worker/trainer/data/batches.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randperm.h>

#include <array>
#include <cmath>
#include <utility>

#include "worker/trainer/data/pixel_kernels.h"
#include "worker/trainer/data/random.h"

namespace tutti::trainer {
namespace {

constexpr double kHighestByte = 255;

int64_t PixelsOf(const Images& images) { return images.height() * images.width(); }

const uint8_t* ImageAt(const Images& images, int64_t id) {
  TUTTI_CHECK(id >= 0 && id < images.pixels.size(0));
  return images.pixels.const_data_ptr<uint8_t>() + id * images.channels() * PixelsOf(images);
}

using Histogram = std::array<int64_t, 256>;

std::vector<Histogram> CountPixels(const Images& images, std::span<const int64_t> ids) {
  std::vector<Histogram> histograms(static_cast<size_t>(images.channels()), Histogram{});
  for (const int64_t id : ids) {
    const uint8_t* pixels = ImageAt(images, id);
    for (Histogram& histogram : histograms) {
      CountBytes(pixels, PixelsOf(images), histogram.data());
      pixels += PixelsOf(images);
    }
  }
  return histograms;
}

struct Moments {
  double mean = 0;
  double deviation = 1;
};

// The mean is a quotient of whole numbers, so one value only gives a deviation of exactly 0.
Moments MomentsOf(const Histogram& histogram) {
  int64_t count = 0, sum = 0;
  for (size_t value = 0; value < histogram.size(); ++value) {
    count += histogram[value];
    sum += histogram[value] * static_cast<int64_t>(value);
  }
  if (count == 0) return {};
  const double mean = static_cast<double>(sum) / static_cast<double>(count);
  double squares = 0;
  for (size_t value = 0; value < histogram.size(); ++value) {
    const double distance = static_cast<double>(value) - mean;
    squares += static_cast<double>(histogram[value]) * distance * distance;
  }
  const double deviation = std::sqrt(squares / static_cast<double>(count)) / kHighestByte;
  return {mean / kHighestByte, deviation > 0 ? deviation : 1.0};
}

Augmentations MustMake(const std::vector<spec::Choice>& choices) {
  Result<Augmentations> made = Augmentations::Make(choices);
  TUTTI_CHECK(made.has_value());
  return std::move(*made);
}

}  // namespace

Normalization ComputeNormalization(const Images& images, std::span<const int64_t> ids) {
  Normalization normalization;
  for (const Histogram& histogram : CountPixels(images, ids)) {
    const Moments moments = MomentsOf(histogram);
    normalization.mean.push_back(moments.mean);
    normalization.deviation.push_back(moments.deviation);
  }
  return normalization;
}

std::vector<int64_t> EpochOrder(std::span<const int64_t> ids, int64_t seed, int64_t epoch) {
  const uint64_t mixed = MixNumbers({static_cast<uint64_t>(seed), static_cast<uint64_t>(epoch)});
  const at::Generator generator = at::detail::createCPUGenerator(mixed);
  const at::Tensor permutation = at::randperm(static_cast<int64_t>(ids.size()), generator, at::kLong);
  std::vector<int64_t> order;
  order.reserve(ids.size());
  for (const int64_t place : std::span(permutation.const_data_ptr<int64_t>(), ids.size())) {
    order.push_back(ids[static_cast<size_t>(place)]);
  }
  return order;
}

BatchMaker::BatchMaker(const Images& images, Normalization normalization, std::vector<spec::Choice> augment,
                       int64_t seed)
    : images_(images),
      augmentations_(MustMake(augment)),
      seed_(seed),
      whole_{AxisPlacement::Whole(images.height()), AxisPlacement::Whole(images.width())} {
  const size_t channels = static_cast<size_t>(images.channels());
  TUTTI_CHECK(images.pixels.is_contiguous() && images.labels.is_contiguous());
  TUTTI_CHECK(normalization.mean.size() == normalization.deviation.size());
  TUTTI_CHECK(normalization.mean.empty() || normalization.mean.size() == channels);
  for (size_t channel = 0; channel < channels; ++channel) {
    const double mean = normalization.mean.empty() ? 0 : normalization.mean[channel];
    const double deviation = normalization.mean.empty() ? 1 : normalization.deviation[channel];
    scale_.push_back(static_cast<float>(1 / (kHighestByte * deviation)));
    shift_.push_back(static_cast<float>(-mean / deviation));
  }
}

BatchMaker::Batch BatchMaker::Training(std::span<const int64_t> ids, int64_t epoch, int64_t first_position) {
  if (augmentations_.empty()) return Evaluation(ids);
  const at::Tensor inputs = Inputs(static_cast<int64_t>(ids.size()));
  float* target = inputs.mutable_data_ptr<float>();
  int64_t position = first_position;
  for (const int64_t id : ids) {
    ImagePlacement placement = whole_;
    augmentations_.Apply(seed_, epoch, position++, placement);
    Place(id, placement, target);
    target += images_.channels() * PixelsOf(images_);
  }
  return {inputs, Labels(ids)};
}

BatchMaker::Batch BatchMaker::Evaluation(std::span<const int64_t> ids) {
  const at::Tensor inputs = Inputs(static_cast<int64_t>(ids.size()));
  float* target = inputs.mutable_data_ptr<float>();
  for (const int64_t id : ids) {
    Place(id, whole_, target);
    target += images_.channels() * PixelsOf(images_);
  }
  return {inputs, Labels(ids)};
}

at::Tensor BatchMaker::Inputs(int64_t batch) {
  const bool free = inputs_.defined() && inputs_.use_count() == 1 && inputs_.storage().use_count() == 1;
  if (!free || inputs_.size(0) != batch) {
    inputs_ = at::empty({batch, images_.channels(), images_.height(), images_.width()}, at::kFloat);
  }
  return inputs_;
}

at::Tensor BatchMaker::Labels(std::span<const int64_t> ids) const {
  at::Tensor labels = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
  const int64_t* const all = images_.labels.const_data_ptr<int64_t>();
  int64_t* target = labels.mutable_data_ptr<int64_t>();
  for (const int64_t id : ids) *target++ = all[id];
  return labels;
}

void BatchMaker::Place(int64_t id, const ImagePlacement& placement, float* target) const {
  const uint8_t* source = ImageAt(images_, id);
  for (size_t channel = 0; channel < scale_.size(); ++channel) {
    PlaceChannel(source, placement, scale_[channel], shift_[channel], target);
    source += PixelsOf(images_);
    target += PixelsOf(images_);
  }
}

}  // namespace tutti::trainer
