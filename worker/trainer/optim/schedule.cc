#include "worker/trainer/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "worker/trainer/optim/choice.h"

namespace tutti::trainer {
namespace {

int64_t StepsOf(double epochs, ScheduleLength length) {
  return std::llround(epochs * static_cast<double>(length.steps_per_epoch));
}

// Whatever `after` says once the warm-up is over; a rise to the base rate until then.
LearningRate WithWarmUp(int64_t warm_up_steps, double base_rate, LearningRate after) {
  return [=](int64_t step) {
    if (step >= warm_up_steps) return after(step);
    return base_rate * static_cast<double>(step + 1) / static_cast<double>(warm_up_steps);
  };
}

LearningRate Constant(const spec::Choice&, double base_rate, ScheduleLength) {
  return [=](int64_t) { return base_rate; };
}

LearningRate Cosine(const spec::Choice& choice, double base_rate, ScheduleLength length) {
  const int64_t warm_up = StepsOf(Number(choice, "warmup_epochs"), length);
  const double lowest = Number(choice, "min_lr");
  const double falling_steps = static_cast<double>(std::max<int64_t>(1, length.total_steps - warm_up));
  return WithWarmUp(warm_up, base_rate, [=](int64_t step) {
    const double progress = std::min(1.0, static_cast<double>(step - warm_up) / falling_steps);
    return lowest + (base_rate - lowest) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  });
}

LearningRate Steps(const spec::Choice& choice, double base_rate, ScheduleLength length) {
  const int64_t warm_up = StepsOf(Number(choice, "warmup_epochs"), length);
  const int64_t period = std::max<int64_t>(1, StepsOf(Number(choice, "step_epochs"), length));
  const double gamma = Number(choice, "gamma");
  return WithWarmUp(warm_up, base_rate,
                    [=](int64_t step) { return base_rate * std::pow(gamma, static_cast<double>(step / period)); });
}

struct Registration {
  const char* name;
  LearningRate (*make)(const spec::Choice&, double, ScheduleLength);
};
constexpr Registration kSchedules[] = {{"constant", Constant}, {"cosine", Cosine}, {"step", Steps}};

}  // namespace

Result<LearningRate> MakeSchedule(const spec::Choice& choice, double base_rate, ScheduleLength length) {
  for (const Registration& registration : kSchedules) {
    if (choice.name != registration.name) continue;
    try {
      return registration.make(choice, base_rate, length);
    } catch (const Json::exception& error) {
      return Fail(ErrorCode::kInvalid, "training.schedule {}: {}", choice.name, error.what());
    }
  }
  return Fail(ErrorCode::kInvalid, "training.schedule: this trainer has no schedule \"{}\"", choice.name);
}

}  // namespace tutti::trainer
