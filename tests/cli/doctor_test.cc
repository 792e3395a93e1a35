// What `tutti doctor` makes of what it sees, and that it never hangs.
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <stdexcept>

#include "cli/doctor/home_trial.h"
#include "cli/doctor/judgements.h"
#include "cli/doctor/run_checks.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using tutti::testing::TemporaryFolder;

constexpr uint64_t kGigabyte = 1'000'000'000;

worker::GpuLimits TwoGpus(int cuda = 13000) {
  worker::DriverReport report;
  report.version = "550.54";
  report.cuda = cuda;
  report.gpus = {{0, "GPU-a", "A100", 40 * kGigabyte}, {1, "GPU-b", "A100", 40 * kGigabyte}};
  return {report, std::nullopt, std::nullopt};
}
worker::GpuLimits NoDriver() { return {Fail(ErrorCode::kNotFound, "no driver"), std::nullopt, std::nullopt}; }
worker::TrainerBuild ForCpus() { return {"0.1.0", "2.13.0", std::nullopt, {"cpu"}}; }
worker::TrainerBuild ForCuda(int cuda) { return {"0.1.0", "2.13.0", cuda, {"cpu", "cuda"}}; }

// ---- GPUs ----

TEST(JudgeGpus, NamesWhatIsLent) {
  const Finding finding = JudgeGpus(TwoGpus(), Mps::kRuns);
  EXPECT_EQ(finding.verdict, Verdict::kOk);
  EXPECT_EQ(finding.found, "2 GPUs (A100) with at least 40 GB, driver 550.54, MPS runs");
  EXPECT_EQ(JudgeGpus(NoDriver(), Mps::kAbsent).verdict, Verdict::kOk) << "a machine without GPUs is a machine";
}

TEST(JudgeGpus, TellsADriverThatFailsAndAGpuThatIsLost) {
  EXPECT_EQ(JudgeGpus({Fail(ErrorCode::kIo, "mismatch"), std::nullopt, std::nullopt}, Mps::kAbsent).verdict,
            Verdict::kProblem);
  worker::GpuLimits one_lost = TwoGpus();
  one_lost.driver->problems = {"GPU 2 does not answer: GPU is lost"};
  EXPECT_THAT(JudgeGpus(one_lost, Mps::kAbsent).found, HasSubstr("GPU 2"));
  EXPECT_EQ(JudgeGpus(one_lost, Mps::kAbsent).verdict, Verdict::kProblem);
}

TEST(JudgeGpus, WarnsWhereTheEnvironmentHidesAll) {
  worker::GpuLimits hidden = TwoGpus();
  hidden.cuda_visible_devices = "7";
  EXPECT_EQ(JudgeGpus(hidden, Mps::kAbsent).verdict, Verdict::kWarning);
  worker::GpuLimits no_parts = TwoGpus();
  for (worker::DriverGpu& gpu : no_parts.driver->gpus) gpu.mode = worker::DriverGpu::Mode::kMig;
  EXPECT_EQ(JudgeGpus(no_parts, Mps::kAbsent).verdict, Verdict::kWarning);
}

TEST(JudgeCuda, IsAProblemWhereTheTrainerCannotUseTheGpus) {
  const Finding finding = JudgeCuda(TwoGpus(), ForCpus());
  EXPECT_EQ(finding.verdict, Verdict::kProblem);
  EXPECT_THAT(finding.cure, HasSubstr("--device cpu"));
  EXPECT_EQ(JudgeCuda(NoDriver(), ForCpus()).verdict, Verdict::kOk);
}

TEST(JudgeCuda, HoldsTheDriverAgainstTheLibTorchOfTheTrainer) {
  EXPECT_EQ(JudgeCuda(TwoGpus(13000), ForCuda(13000)).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeCuda(TwoGpus(12040), ForCuda(12080)).verdict, Verdict::kOk) << "minor versions run each other's";
  const Finding old = JudgeCuda(TwoGpus(12040), ForCuda(13000));
  EXPECT_EQ(old.verdict, Verdict::kProblem);
  EXPECT_THAT(old.found, AllOf(HasSubstr("12.4"), HasSubstr("13.0")));
}

// ---- the rest of the machine ----

TEST(JudgeProcessors, SaysWhatLimitsThem) {
  EXPECT_EQ(JudgeProcessors({{0, 1, 2, 3}, {}, "2", 0}, 8).found,
            "2 of 8 CPUs for this process, Slurm gives 2 a task, bound to 4");
  EXPECT_EQ(JudgeProcessors({{0, 1}, {"100000 100000"}, std::nullopt, 0}, 2).found,
            "1 of 2 CPUs for this process, the cgroup has a quota");
}

TEST(JudgeMemory, WarnsWhereATrainerWouldNotFit) {
  EXPECT_EQ(JudgeMemory(64 * kGigabyte, 32 * kGigabyte).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeMemory(64 * kGigabyte, kGigabyte).verdict, Verdict::kWarning);
}

TEST(JudgeTrainer, WantsOneOfThisRelease) {
  EXPECT_EQ(JudgeTrainer(ForCpus(), "0.1.0").found, "tutti-trainer 0.1.0 with LibTorch 2.13.0 for CPUs");
  EXPECT_EQ(JudgeTrainer(ForCpus(), "0.2.0").verdict, Verdict::kProblem);
  EXPECT_EQ(JudgeTrainer(Fail(ErrorCode::kNotFound, "it is missing"), "0.1.0").verdict, Verdict::kProblem);
}

TEST(JudgeDisk, NamesItsKindAndRoom) {
  const Finding nfs = JudgeDisk(0x6969, 1000 * kGigabyte, 500 * kGigabyte);
  EXPECT_EQ(nfs.verdict, Verdict::kOk);
  EXPECT_EQ(nfs.found, "500 GB free of 1 TB, NFS");
  EXPECT_THAT(JudgeDisk(0x0BD00BD0, 1, 1).found, HasSubstr("Lustre"));
  EXPECT_EQ(JudgeDisk(0x6969, 1000 * kGigabyte, 5 * kGigabyte).verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeDisk(0x6969, 1000 * kGigabyte, 5).verdict, Verdict::kProblem);
  EXPECT_EQ(JudgeDisk(0x01021994, 1000 * kGigabyte, 500 * kGigabyte).verdict, Verdict::kWarning)
      << "a restart of the machine empties it";
}

TEST(JudgeClock, BearsWhatMachinesDifferByAndNoMore) {
  EXPECT_EQ(JudgeClock(seconds(1), milliseconds(0), "the coordinator").verdict, Verdict::kOk);
  EXPECT_EQ(JudgeClock(seconds(6), seconds(2), "the coordinator").verdict, Verdict::kOk) << "it may be 4";
  EXPECT_EQ(JudgeClock(seconds(-30), milliseconds(0), "the coordinator").found,
            "this clock is 30.0 s before that of the coordinator");
  EXPECT_EQ(JudgeClock(seconds(-30), milliseconds(0), "the coordinator").verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeClock(std::chrono::hours(1), milliseconds(0), "the coordinator").verdict, Verdict::kProblem);
}

// ---- the home ----

TEST(TryFolder, LeavesNothingBehind) {
  const TemporaryFolder folder;
  EXPECT_TRUE(TryFolder(PosixFileSystem(), folder.path()));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(TryFolder, SaysWhatDoesNotWork) {
  const auto missing = TryFolder(PosixFileSystem(), "/nowhere");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST(TryFolder, MissesNoFailureOfTheDisk) {
  int64_t operations = 0;
  for (bool failed = true; failed; ++operations) {
    const TemporaryFolder folder;
    tutti::testing::FaultyFileSystem disk(PosixFileSystem());
    disk.FailAt(operations + 1, ErrorCode::kIo);
    const auto tried = TryFolder(disk, folder.path());
    failed = disk.fault_happened();
    EXPECT_EQ(tried.has_value(), !failed) << operations + 1;
  }
  EXPECT_GT(operations, 10);
}

TEST(NearestThatIsThere, IsWhereAHomeCouldBeMade) {
  const TemporaryFolder folder;
  EXPECT_EQ(NearestThatIsThere(folder.path()), folder.path());
  EXPECT_EQ(NearestThatIsThere(folder / "a" / "b"), folder.path());
  std::ofstream(folder / "file") << "";
  EXPECT_EQ(NearestThatIsThere(folder / "file" / "b"), folder / "file");
  EXPECT_FALSE(TryFolder(PosixFileSystem(), folder / "file")) << "no folder can be made in a file";
}

// ---- running them ----

Finding Fine(const Surroundings& around) { return Ok("fine", around.home.string()); }
Finding Hangs(const Surroundings&) {
  while (true) ::pause();
}
Finding Crashes(const Surroundings&) { ::_exit(0); }
Finding Throws(const Surroundings&) { throw std::runtime_error("out of luck"); }
Finding Talks(const Surroundings&) { return Warning("talks", std::string(200'000, 'x'), ""); }

TEST(RunChecks, NeverHangsAndForgetsNone) {
  const Check checks[] = {{"hangs", Hangs}, {"fine", Fine}, {"crashes", Crashes}, {"throws", Throws}, {"talks", Talks}};
  Surroundings around;
  around.home = "/runs";
  const std::vector<Finding> findings = RunChecks(checks, around, milliseconds(1500));
  ASSERT_EQ(findings.size(), 5U);
  EXPECT_EQ(findings[0].verdict, Verdict::kProblem);
  EXPECT_THAT(findings[0].found, HasSubstr("no answer within"));
  EXPECT_EQ(findings[1], Ok("fine", "/runs"));
  EXPECT_EQ(findings[2].verdict, Verdict::kProblem);
  EXPECT_THAT(findings[3].found, HasSubstr("out of luck"));
  EXPECT_EQ(findings[4].found.size(), 200'000U) << "more than a pipe holds";
}

TEST(RunChecks, EndsAtOnceWhenAllHaveAnswered) {
  const Check checks[] = {{"fine", Fine}};
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(RunChecks(checks, {}, std::chrono::hours(1)).size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::minutes(1));
}

}  // namespace
}  // namespace tutti::cli
