#include "worker/trainer/optim/schedule.h"

#include <gmock/gmock.h>

namespace tutti::trainer {
namespace {

constexpr ScheduleLength kTenEpochsOfFive{.total_steps = 50, .steps_per_epoch = 5};

LearningRate Make(const char* name, Json parameters, ScheduleLength length = kTenEpochsOfFive) {
  auto schedule = MakeSchedule({name, std::move(parameters)}, 0.4, length);
  EXPECT_TRUE(schedule) << schedule.error().Text();
  return *schedule;
}

TEST(Schedule, ConstantStays) {
  const LearningRate rate = Make("constant", Json::object());
  EXPECT_EQ(rate(0), 0.4);
  EXPECT_EQ(rate(49), 0.4);
}

TEST(Schedule, CosineFallsFromTheBaseRateToTheLowest) {
  const LearningRate rate = Make("cosine", {{"warmup_epochs", 0}, {"min_lr", 0.1}});
  EXPECT_DOUBLE_EQ(rate(0), 0.4);
  EXPECT_NEAR(rate(25), 0.25, 1e-12);
  EXPECT_NEAR(rate(50), 0.1, 1e-12);
  for (int step = 1; step < 50; ++step) EXPECT_LT(rate(step), rate(step - 1));
}

TEST(Schedule, WarmUpRisesStepByStepAndReachesTheBaseRate) {
  const LearningRate rate = Make("cosine", {{"warmup_epochs", 2}, {"min_lr", 0}});
  EXPECT_DOUBLE_EQ(rate(0), 0.04);
  EXPECT_DOUBLE_EQ(rate(4), 0.2);
  EXPECT_DOUBLE_EQ(rate(9), 0.4);
  EXPECT_DOUBLE_EQ(rate(10), 0.4);
  EXPECT_NEAR(rate(30), 0.2, 1e-12);
}

TEST(Schedule, PartOfAnEpochMayWarmUp) {
  const LearningRate rate = Make("cosine", {{"warmup_epochs", 0.4}, {"min_lr", 0}});
  EXPECT_DOUBLE_EQ(rate(0), 0.2);
  EXPECT_DOUBLE_EQ(rate(1), 0.4);
}

TEST(Schedule, WarmUpMayFillTheWholeTraining) {
  const LearningRate rate = Make("cosine", {{"warmup_epochs", 10}, {"min_lr", 0}});
  EXPECT_DOUBLE_EQ(rate(49), 0.4);
}

TEST(Schedule, StepFallsAtMultiplesSinceTheStart) {
  const LearningRate rate = Make("step", {{"step_epochs", 3}, {"gamma", 0.5}, {"warmup_epochs", 1}});
  EXPECT_DOUBLE_EQ(rate(0), 0.08);
  EXPECT_DOUBLE_EQ(rate(14), 0.4);
  EXPECT_DOUBLE_EQ(rate(15), 0.2);
  EXPECT_DOUBLE_EQ(rate(29), 0.2);
  EXPECT_DOUBLE_EQ(rate(30), 0.1);
}

TEST(Schedule, UnknownNameAndMissingParameterAreTold) {
  EXPECT_EQ(MakeSchedule({"exponential", Json::object()}, 0.1, kTenEpochsOfFive).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(MakeSchedule({"step", Json::object()}, 0.1, kTenEpochsOfFive).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace tutti::trainer
