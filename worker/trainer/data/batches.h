// From bytes to batches: gather, augment and normalise whole batches.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/trainer/data/images.h"

namespace tutti::trainer {

// Per-channel statistics of pixels scaled to [0, 1]. An empty normalisation leaves them at that scale.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> deviation;
};
// Over the given samples (the training split), in double precision, deterministic.
Normalization ComputeNormalization(const Images& images, std::span<const int64_t> ids);

// The order in which an epoch passes over the training split: a permutation drawn from (seed, epoch).
std::vector<int64_t> EpochOrder(std::span<const int64_t> ids, int64_t seed, int64_t epoch);

// Makes batches for one member. Not thread-safe.
class BatchMaker {
 public:
  BatchMaker(const Images& images, Normalization normalization, std::vector<spec::Choice> augment, int64_t seed);

  struct Batch {
    at::Tensor inputs;           // float32 [batch, channels, height, width]
    at::Tensor labels;           // int64 [batch]
  };
  // For training: augmentation draws from (seed, epoch, position in the epoch), so neither the width of the gang nor a
  // resume changes it. `first_position` is that of ids[0] within the epoch's order.
  Batch Training(std::span<const int64_t> ids, int64_t epoch, int64_t first_position);
  // Without augmentation.
  Batch Evaluation(std::span<const int64_t> ids);

 private:
  const Images& images_;
  Normalization normalization_;
  std::vector<spec::Choice> augment_;
  int64_t seed_;
  at::Tensor scale_, shift_;     // float32 [1, channels, 1, 1]
};

}  // namespace tutti::trainer
