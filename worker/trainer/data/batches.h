// From bytes to batches: gather, augment and normalise whole batches.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/trainer/data/augmentations.h"
#include "worker/trainer/data/images.h"

namespace tutti::trainer {

// Per-channel statistics of pixels scaled to [0, 1]. An empty normalisation leaves them at that scale.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> deviation;
};
// Over the given samples (the training split), in double precision, deterministic. Population deviation; that of a
// channel with one value only is 1, so that it becomes 0 everywhere.
Normalization ComputeNormalization(const Images& images, std::span<const int64_t> ids);

// The order in which an epoch passes over the training split: a permutation drawn from (seed, epoch), by at::randperm
// on a CPU generator that is seeded with MixNumbers({seed, epoch}) (random.h).
std::vector<int64_t> EpochOrder(std::span<const int64_t> ids, int64_t seed, int64_t epoch);

// Makes batches for one member. Not thread-safe. `images` must outlive it.
class BatchMaker {
 public:
  // Aborts on an augmentation that Augmentations::Make refuses: ask that first where the task is not trusted.
  BatchMaker(const Images& images, Normalization normalization, std::vector<spec::Choice> augment, int64_t seed);

  struct Batch {
    at::Tensor inputs;  // float32 [batch, channels, height, width]
    at::Tensor labels;  // int64 [batch]
  };
  // For training: augmentation draws from (seed, epoch, position in the epoch), so neither the width of the gang nor a
  // resume changes it. `first_position` is that of ids[0] within the epoch's order.
  Batch Training(std::span<const int64_t> ids, int64_t epoch, int64_t first_position);
  // Without augmentation.
  Batch Evaluation(std::span<const int64_t> ids);

 private:
  at::Tensor Inputs(int64_t batch);
  at::Tensor Labels(std::span<const int64_t> ids) const;
  void Place(int64_t id, const ImagePlacement& placement, float* target) const;

  const Images& images_;
  Augmentations augmentations_;
  int64_t seed_;
  ImagePlacement whole_;
  std::vector<float> scale_, shift_;  // of each channel: input = scale * byte + shift
  at::Tensor inputs_;                 // the last batch's, used again once nobody else holds it
};

}  // namespace tutti::trainer
