#include "common/spec/registries.h"

namespace tutti::spec {
namespace {

Parameter WarmupEpochs() {
  return {"warmup_epochs", AtLeast(0), 0.0, "Epochs, or a part of one, in which the rate rises linearly from 0."};
}

Descriptor Constant() { return {"constant", "The same learning rate from the first step to the last.", {}}; }

Descriptor Cosine() {
  return {"cosine",
          "Falls along half a cosine from the learning rate to `min_lr`, changing with each step.",
          {WarmupEpochs(), {"min_lr", AtLeast(0), 0.0, "The rate at the end; at most the optimizer's `lr`."}}};
}

Descriptor Step() {
  return {"step",
          "Multiplied by `gamma` after every `step_epochs` epochs.",
          {{"step_epochs", IntegerType{1}, 30, "Epochs from one fall to the next, counted from the start."},
           {"gamma", NumberType{Bound{0, Bound::Side::kExclusive}, Bound{1, Bound::Side::kInclusive}}, 0.1,
            "Factor of each fall."},
           WarmupEpochs()}};
}

}  // namespace

std::vector<Descriptor> ScheduleDescriptors() { return {Constant(), Cosine(), Step()}; }

}  // namespace tutti::spec
