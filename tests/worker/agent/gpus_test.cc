#include "worker/agent/gpus.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

DriverGpu Gpu(int index, const std::string& uuid) { return {index, uuid, "A100", 40}; }

// Three whole GPUs, the last of them in MIG mode with two parts.
DriverReport Node() {
  DriverReport report;
  report.gpus = {Gpu(0, "GPU-aa11"), Gpu(1, "GPU-aa22"), Gpu(2, "GPU-bb33")};
  report.gpus[2].mode = DriverGpu::Mode::kMig;
  report.gpus[2].parts = {{"MIG-1", "part", 5}, {"MIG-2", "part", 10}};
  return report;
}

std::vector<std::string> Ids(const GpuLimits& limits) {
  std::vector<std::string> ids;
  for (const LentGpu& gpu : LentGpus(limits)) ids.push_back(gpu.id);
  return ids;
}
std::vector<std::string> Visible(const std::string& text) { return Ids({Node(), text, std::nullopt}); }
std::vector<std::string> VisibleWithoutDriver(const std::string& text) {
  return Ids({Fail(ErrorCode::kNotFound, "no driver"), text, std::nullopt});
}
std::vector<std::string> OfSlurm(const std::string& text) { return Ids({Node(), std::nullopt, text}); }

TEST(LentGpus, AreAllThatTheDriverShowsWithPartsInPlaceOfTheirGpu) {
  EXPECT_THAT(Ids({Node(), std::nullopt, std::nullopt}), ElementsAre("GPU-aa11", "GPU-aa22", "MIG-1", "MIG-2"));
  EXPECT_THAT(Ids({Fail(ErrorCode::kNotFound, "no driver"), std::nullopt, "0,1"}), IsEmpty());
}

TEST(LentGpus, TellTheirMemory) {
  const auto gpus = LentGpus({Node(), "1,MIG-2", std::nullopt});
  EXPECT_THAT(gpus, ElementsAre(LentGpu{"GPU-aa22", "A100", 40}, LentGpu{"MIG-2", "part", 10}));
}

TEST(CudaVisibleDevices, NamesGpusByIndexInItsOwnOrder) {
  EXPECT_THAT(Visible("1,0"), ElementsAre("GPU-aa22", "GPU-aa11"));
  EXPECT_THAT(Visible(" 1 , 0 "), ElementsAre("GPU-aa22", "GPU-aa11"));
  EXPECT_THAT(Visible("2"), ElementsAre("MIG-1", "MIG-2"));
  EXPECT_THAT(Visible("0,0"), ElementsAre("GPU-aa11")) << "a GPU is lent once";
}

TEST(CudaVisibleDevices, NamesGpusAndPartsByUuidOrWhatIsEnoughOfIt) {
  EXPECT_THAT(Visible("GPU-aa22,MIG-2"), ElementsAre("GPU-aa22", "MIG-2"));
  EXPECT_THAT(Visible("GPU-aa1"), ElementsAre("GPU-aa11"));
  EXPECT_THAT(Visible("GPU-bb"), ElementsAre("MIG-1", "MIG-2"));
  EXPECT_THAT(Visible("GPU-aa"), IsEmpty()) << "it could be either";
}

TEST(CudaVisibleDevices, EndsAtTheFirstEntryThatNamesNothing) {
  EXPECT_THAT(Visible("0,-1,1"), ElementsAre("GPU-aa11"));
  EXPECT_THAT(Visible("0,7,1"), ElementsAre("GPU-aa11"));
  EXPECT_THAT(Visible("GPU-xx,0"), IsEmpty());
  EXPECT_THAT(Visible("1,,0"), ElementsAre("GPU-aa22"));
  EXPECT_THAT(Visible("NoDevFiles"), IsEmpty()) << "what Slurm says for none";
}

TEST(CudaVisibleDevices, ThatIsEmptyIsNone) {
  EXPECT_THAT(Visible(""), IsEmpty());
  EXPECT_THAT(Ids({Node(), "", "0,1"}), IsEmpty()) << "it goes before what Slurm gave";
}

TEST(CudaVisibleDevices, IsTakenAtItsWordWhereNoDriverAnswers) {
  EXPECT_THAT(VisibleWithoutDriver("0,GPU-aa11,MIG-1"), ElementsAre("0", "GPU-aa11", "MIG-1"));
  EXPECT_THAT(VisibleWithoutDriver("0,x,1"), ElementsAre("0"));
  EXPECT_THAT(VisibleWithoutDriver(""), IsEmpty());
}

TEST(SlurmGpus, CountWhereCudaVisibleDevicesIsNotSet) {
  EXPECT_THAT(OfSlurm("1"), ElementsAre("GPU-aa22"));
  EXPECT_THAT(OfSlurm("0-1"), ElementsAre("GPU-aa11", "GPU-aa22"));
  EXPECT_THAT(OfSlurm("0,x"), ElementsAre("GPU-aa11"));
  EXPECT_THAT(OfSlurm(""), IsEmpty());
}

TEST(SlurmGpus, AreAllThatAConfinedJobSees) {
  EXPECT_THAT(OfSlurm("5,6,7"), ElementsAre("GPU-aa11", "GPU-aa22", "MIG-1", "MIG-2"))
      << "the driver numbers from 0 what Slurm calls 5 to 7";
}

TEST(GpuLimits, ComeFromTheEnvironment) {
  EXPECT_FALSE(ReadGpuLimits({}).cuda_visible_devices);
  EXPECT_EQ(ReadGpuLimits({{"CUDA_VISIBLE_DEVICES", ""}}).cuda_visible_devices, "");
  EXPECT_EQ(ReadGpuLimits({{"SLURM_JOB_GPUS", "0,1"}}).slurm_gpus, "0,1");
  EXPECT_EQ(ReadGpuLimits({{"SLURM_JOB_GPUS", "0,1"}, {"SLURM_STEP_GPUS", "1"}}).slurm_gpus, "1");
}

TEST(Mps, RunsWhereItsControlPipeIs) {
  const tutti::testing::TemporaryFolder folder;
  const Environment environment = {{"CUDA_MPS_PIPE_DIRECTORY", folder.path().string()}};
  EXPECT_FALSE(MpsRuns(environment));
  std::ofstream(folder / "control") << "";
  EXPECT_TRUE(MpsRuns(environment));
}

}  // namespace
}  // namespace tutti::worker
