#include "worker/agent/device_choice.h"

#include <gmock/gmock.h>

namespace tutti::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

GpuLimits TwoGpus() {
  DriverReport report;
  report.gpus = {{0, "GPU-a", "NVIDIA A100", 40}, {1, "GPU-b", "NVIDIA A100", 40}};
  return {report, std::nullopt, std::nullopt};
}
GpuLimits NoDriver() { return {Fail(ErrorCode::kNotFound, "there is no NVIDIA driver"), std::nullopt, std::nullopt}; }
GpuLimits SickDriver() { return {Fail(ErrorCode::kIo, "driver/library mismatch"), std::nullopt, std::nullopt}; }

Result<TrainerBuild> CpuTrainer() { return TrainerBuild{"0.1.0", "2.13.0", std::nullopt, {"cpu"}}; }
Result<TrainerBuild> CudaTrainer() { return TrainerBuild{"0.1.0", "2.13.0", 13000, {"cpu", "cuda"}}; }
Result<TrainerBuild> NeverAsked() {
  ADD_FAILURE() << "the trainer was asked";
  return Fail(ErrorCode::kInternal, "");
}

TEST(ChooseGpus, TakesWhatThereIs) {
  EXPECT_THAT(ChooseGpus(TwoGpus(), DeviceChoice::kAuto, CudaTrainer).value(), SizeIs(2));
  EXPECT_THAT(ChooseGpus(TwoGpus(), DeviceChoice::kCuda, CudaTrainer).value(), SizeIs(2));
}

TEST(ChooseGpus, AsksNoTrainerWhereThereIsNoGpuOrNoneIsWanted) {
  EXPECT_THAT(ChooseGpus(NoDriver(), DeviceChoice::kAuto, NeverAsked).value(), IsEmpty());
  EXPECT_THAT(ChooseGpus(TwoGpus(), DeviceChoice::kCpu, NeverAsked).value(), IsEmpty());
  EXPECT_THAT(ChooseGpus(SickDriver(), DeviceChoice::kCpu, NeverAsked).value(), IsEmpty());
}

TEST(ChooseGpus, RefusesATrainerThatCannotUseThemAndSaysWhatToDo) {
  for (const DeviceChoice choice : {DeviceChoice::kAuto, DeviceChoice::kCuda}) {
    const auto gpus = ChooseGpus(TwoGpus(), choice, CpuTrainer);
    ASSERT_FALSE(gpus);
    EXPECT_EQ(gpus.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(gpus.error().message,
                AllOf(HasSubstr("2 GPUs (NVIDIA A100)"), HasSubstr("build for CPUs"), HasSubstr("--device cpu")));
  }
}

TEST(ChooseGpus, RefusesCudaWithoutAGpuAndSaysWhy) {
  const auto none = ChooseGpus(NoDriver(), DeviceChoice::kCuda, NeverAsked);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("there is no NVIDIA driver"));
  GpuLimits hidden = TwoGpus();
  hidden.cuda_visible_devices = "";
  EXPECT_THAT(ChooseGpus(hidden, DeviceChoice::kCuda, NeverAsked).error().message,
              HasSubstr("CUDA_VISIBLE_DEVICES='' leaves none of 2"));
}

// Members would train on CPUs for days before somebody looks.
TEST(ChooseGpus, IsNoSilentCpuWhereTheDriverFails) {
  const auto gpus = ChooseGpus(SickDriver(), DeviceChoice::kAuto, NeverAsked);
  ASSERT_FALSE(gpus);
  EXPECT_THAT(gpus.error().Text(), AllOf(HasSubstr("mismatch"), HasSubstr("--device cpu")));
  GpuLimits none = SickDriver();
  none.cuda_visible_devices = "";
  EXPECT_THAT(ChooseGpus(none, DeviceChoice::kAuto, NeverAsked).value(), IsEmpty()) << "it is given none anyway";
}

TEST(ChooseGpus, PassesOnWhyTheTrainerDidNotAnswer) {
  const auto missing = []() -> Result<TrainerBuild> { return Fail(ErrorCode::kNotFound, "tutti-trainer is missing"); };
  EXPECT_EQ(ChooseGpus(TwoGpus(), DeviceChoice::kAuto, missing).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tutti::worker
