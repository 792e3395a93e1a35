// Augmentations: one entry for each name under `augment`. A new one is a function and one line in augmentations.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/trainer/data/placements.h"

namespace tutti::trainer {

// The augmentations of one member, in the order in which they are applied.
class Augmentations {
 public:
  // kInvalid: an unknown name or a parameter out of range.
  static Result<Augmentations> Make(std::span<const spec::Choice> choices);

  // What they do to one image. Draws depend on (seed, epoch, position, place in the list) alone.
  void Apply(int64_t seed, int64_t epoch, int64_t position, ImagePlacement& placement) const;
  bool empty() const { return steps_.empty(); }

 private:
  struct Step {
    void (*apply)(const Step& step, uint64_t draw, ImagePlacement& placement);
    int64_t padding = 0;
  };
  friend struct AugmentationKinds;
  std::vector<Step> steps_;
};

}  // namespace tutti::trainer
