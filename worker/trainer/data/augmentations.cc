#include "worker/trainer/data/augmentations.h"

#include <string>

#include "common/spec/descriptor.h"
#include "worker/trainer/data/random.h"

namespace tutti::trainer {

struct AugmentationKinds {
  using Step = Augmentations::Step;

  // Padding with zeros on all sides, then a window of the image's own size at a random place in it (He et al. 2015,
  // "Deep residual learning for image recognition", section 4.2).
  static void Crop(const Step& step, uint64_t draw, ImagePlacement& placement) {
    const int64_t places = 2 * step.padding + 1;
    placement.rows.Shift(BelowLimit(MixNumbers({draw, 0}), places) - step.padding);
    placement.columns.Shift(BelowLimit(MixNumbers({draw, 1}), places) - step.padding);
  }

  // Half of the images, mirrored left to right.
  static void FlipHorizontal(const Step&, uint64_t draw, ImagePlacement& placement) {
    if (BelowLimit(draw, 2) == 1) placement.columns.Reverse();
  }

  // `choice` is complete: its descriptor has checked it.
  static Result<Step> Make(const spec::Choice& choice) {
    if (choice.name == "crop") return Step{Crop, choice.parameters.at("padding").get<int64_t>()};
    if (choice.name == "flip") return Step{FlipHorizontal, 0};
    return Fail(ErrorCode::kInvalid, "augment: '{}' is not made by this trainer; update it", choice.name);
  }
};

Result<Augmentations> Augmentations::Make(std::span<const spec::Choice> choices) {
  Augmentations made;
  for (const spec::Choice& choice : choices) {
    const Json json = {{choice.name, choice.parameters}};
    TUTTI_ASSIGN_OR_RETURN(const spec::Choice complete, spec::CompleteChoice(spec::ChoiceKind::kAugmentation, json));
    TUTTI_ASSIGN_OR_RETURN(const Step step, AugmentationKinds::Make(complete));
    made.steps_.push_back(step);
  }
  return made;
}

void Augmentations::Apply(int64_t seed, int64_t epoch, int64_t position, ImagePlacement& placement) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const uint64_t draw = MixNumbers({static_cast<uint64_t>(seed), static_cast<uint64_t>(epoch),
                                      static_cast<uint64_t>(position), static_cast<uint64_t>(i)});
    steps_[i].apply(steps_[i], draw, placement);
  }
}

}  // namespace tutti::trainer
