// The all-reduce of gradients while backward still goes on.
#pragma once

#include <cstdint>
#include <memory>

#include "common/result.h"
#include "worker/trainer/optim/flat_parameters.h"
#include "worker/trainer/parallel/collective.h"

namespace tutti::trainer {

// Cuts the flat gradient into buckets, contiguous slices in the order in which backward completes them. A hook on each
// parameter's gradient accumulator counts its bucket down and starts its sum once it is whole. Sums start in the fixed
// order of the buckets on every rank, whatever order backward took, so that ranks with other work, or with none, agree.
//
//   gradients.zero_();
//   every backward but the last
//   buckets.ArmForLastBackward();   // the tail is set by now
//   the last backward
//   buckets.Finish();               // gradients and tail are sums over all ranks
//
// A rank without work leaves out both the backward and the arming. Solo it does nothing at all.
class GradientBuckets {
 public:
  static constexpr int64_t kDefaultBucketBytes = int64_t{1} << 20;

  // Keeps `flat` and `collective`, which must outlive it. Made after `flat` took over the model.
  GradientBuckets(const FlatParameters& flat, Collective& collective, int64_t bucket_bytes = kDefaultBucketBytes);
  GradientBuckets(const GradientBuckets&) = delete;
  ~GradientBuckets();

  void ArmForLastBackward();
  Result<void> Finish();

  int64_t buckets() const;

 private:
  struct State;
  class Hook;
  std::shared_ptr<State> state_;
};

}  // namespace tutti::trainer
