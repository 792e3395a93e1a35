#include "worker/agent/nvml.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class NvmlTest : public ::testing::Test {
 protected:
  ~NvmlTest() override {
    unsetenv("FAKE_NVML_GPUS");
    unsetenv("FAKE_NVML_STATUS");
  }
  static Result<DriverReport> Ask(const char* gpus) {
    setenv("FAKE_NVML_GPUS", gpus, 1);
    return AskDriver(TUTTI_FAKE_NVML);
  }
};

TEST_F(NvmlTest, NamesEveryGpuWithItsMemoryAndTheDriver) {
  const auto report = Ask("GPU-a:NVIDIA A100:40;GPU-b:Old:16");
  ASSERT_TRUE(report) << report.error().Text();
  EXPECT_EQ(report->version, "550.54.14");
  EXPECT_EQ(report->cuda, 12040);
  ASSERT_THAT(report->gpus, SizeIs(2));
  EXPECT_EQ(report->gpus[0].uuid, "GPU-a");
  EXPECT_EQ(report->gpus[0].name, "NVIDIA A100");
  EXPECT_EQ(report->gpus[0].memory_bytes, 40'000'000'000);
  EXPECT_EQ(report->gpus[0].mode, DriverGpu::Mode::kWhole);
  EXPECT_EQ(report->gpus[1].index, 1);
}

TEST_F(NvmlTest, NamesThePartsOfAGpuInMigMode) {
  const auto report = Ask("GPU-a:NVIDIA A100:40:MIG-1=5+MIG-2=10");
  ASSERT_TRUE(report) << report.error().Text();
  ASSERT_THAT(report->gpus, SizeIs(1));
  EXPECT_EQ(report->gpus[0].mode, DriverGpu::Mode::kMig);
  ASSERT_THAT(report->gpus[0].parts, SizeIs(2)) << "places without a part are passed over";
  EXPECT_EQ(report->gpus[0].parts[1].uuid, "MIG-2");
  EXPECT_EQ(report->gpus[0].parts[1].memory_bytes, 10'000'000'000);
}

TEST_F(NvmlTest, LeavesOutAGpuThatIsLostAndSaysSo) {
  const auto report = Ask("GPU-a:A:1;lost;GPU-c:A:1");
  ASSERT_TRUE(report) << report.error().Text();
  ASSERT_THAT(report->gpus, SizeIs(2));
  EXPECT_EQ(report->gpus[1].index, 2) << "the others keep their numbers";
  EXPECT_THAT(report->problems, ElementsAre("GPU 1 does not answer: GPU is lost"));
}

TEST_F(NvmlTest, TellsNoDriverFromOneThatFails) {
  EXPECT_EQ(AskDriver("/nowhere/libnvidia-ml.so.1").error().code, ErrorCode::kNotFound);
  setenv("FAKE_NVML_STATUS", "9", 1);
  EXPECT_EQ(Ask("").error().code, ErrorCode::kNotFound) << "a machine that has the library, and no GPU";
  setenv("FAKE_NVML_STATUS", "18", 1);
  const auto mismatch = Ask("");
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().code, ErrorCode::kIo);
  EXPECT_THAT(mismatch.error().message, HasSubstr("Driver/library mismatch"));
}

TEST_F(NvmlTest, RefusesALibraryWithoutItsFunctions) {
  const auto report = AskDriver("libc.so.6");
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("too old"));
}

TEST_F(NvmlTest, MayFindNoGpuAtAll) { EXPECT_THAT(Ask("").value().gpus, IsEmpty()); }

}  // namespace
}  // namespace tutti::worker
