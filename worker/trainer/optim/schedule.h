// Learning-rate schedules: pure functions of the step, so that a resumed run needs no memory of them.
#pragma once

#include <cstdint>
#include <functional>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::trainer {

struct ScheduleLength {
  int64_t total_steps = 1;
  int64_t steps_per_epoch = 1;
};

// The learning rate of the update with this number, counted from 0.
using LearningRate = std::function<double(int64_t step)>;

// constant: the base rate throughout.
// cosine: a linear warm-up over `warmup_epochs` that reaches the base rate with its last step, then half a cosine down
//   to `min_lr`, which the step after the last would have (https://arxiv.org/abs/1608.03983, without restarts).
// step: the warm-up, and the base rate times gamma^(whole multiples of `step_epochs` since the start).
//
// kInvalid: an unknown name, or parameters that are missing or of the wrong type.
Result<LearningRate> MakeSchedule(const spec::Choice& choice, double base_rate, ScheduleLength length);

}  // namespace tutti::trainer
