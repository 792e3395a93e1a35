#include "worker/trainer/data/augmentations.h"

#include <string>

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

  static Result<Step> MakeCrop(const Json& parameters) {
    const auto padding = parameters.find("padding");
    if (padding == parameters.end() || !padding->is_number_integer() || *padding < 0 || *padding > 4096) {
      return Fail(ErrorCode::kInvalid, "augment: crop needs `padding`, a whole number from 0 to 4096");
    }
    return Step{Crop, padding->get<int64_t>()};
  }

  static Result<Step> MakeFlip(const Json& parameters) {
    for (const auto& [key, value] : parameters.items()) {
      if (value != "horizontal") {
        return Fail(ErrorCode::kInvalid, "augment: flip knows no {} {}; use `flip: horizontal`", key, value.dump());
      }
    }
    return Step{FlipHorizontal, 0};
  }

  static Result<Step> Make(const spec::Choice& choice) {
    if (choice.name == "crop") return MakeCrop(choice.parameters);
    if (choice.name == "flip") return MakeFlip(choice.parameters);
    return Fail(ErrorCode::kInvalid, "augment: '{}' is unknown; use crop or flip", choice.name);
  }
};

Result<Augmentations> Augmentations::Make(std::span<const spec::Choice> choices) {
  Augmentations made;
  for (const spec::Choice& choice : choices) {
    TUTTI_ASSIGN_OR_RETURN(Step step, AugmentationKinds::Make(choice));
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
