// How work is divided. Pure.
#pragma once

#include <cstdint>

namespace tutti::trainer {

// [begin, end)
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// Part `part` of `parts` of a range: sizes differ by one at most, the larger ones first, so part 0 of a range that is
// not empty never is. Divides a batch into shards, and shards among ranks.
Range PartOf(Range whole, int64_t part, int64_t parts);

// Seed of the default generator for a shard's forward, the same wherever the shard is computed.
uint64_t ShardSeed(int64_t seed, int64_t step, int64_t shard);

// Steps of a training and of its epochs; the last batch of an epoch may be smaller.
struct Plan {
  int64_t samples = 1;  // of the training split
  int64_t batch_size = 1;
  int64_t steps_per_epoch = 1;
  int64_t total_steps = 1;

  // Where the batch of the step with this number (from 0) lies in its epoch's order.
  Range Batch(int64_t step) const;
  double Epochs(int64_t steps_done) const {
    return static_cast<double>(steps_done) / static_cast<double>(steps_per_epoch);
  }
  int64_t EpochOf(int64_t step) const { return step / steps_per_epoch; }
  // After `steps_done` steps an epoch is over, or the training, which ends its last epoch early.
  bool EndsEpoch(int64_t steps_done) const { return steps_done % steps_per_epoch == 0 || steps_done == total_steps; }
};

}  // namespace tutti::trainer
