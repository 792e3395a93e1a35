#include "worker/launch/launcher.h"

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

using ::testing::HasSubstr;

class ChooseLauncherTest : public ::testing::Test {
 protected:
  // An environment in which these programs are found.
  Environment With(const std::vector<std::string>& programs, Environment environment = {}) {
    for (const std::string& program : programs) std::filesystem::copy_file("/bin/true", folder_.path() / program);
    environment["PATH"] = folder_.path();
    return environment;
  }

  tutti::testing::TemporaryFolder folder_;
};

TEST_F(ChooseLauncherTest, OneMachineNeedsNoneThatReachesOthers) {
  EXPECT_EQ(ChooseLauncher({}, With({"mpirun", "srun"}, {{"SLURM_JOB_ID", "7"}}), 1).value(), Launcher::kLocal);
}

TEST_F(ChooseLauncherTest, SeveralMachinesOfASlurmJobHaveSrun) {
  EXPECT_EQ(ChooseLauncher({}, With({"mpirun", "srun"}, {{"SLURM_JOB_ID", "7"}}), 2).value(), Launcher::kSrun);
}

TEST_F(ChooseLauncherTest, OtherMachinesHaveMpirunWhereThereIsOne) {
  EXPECT_EQ(ChooseLauncher({}, With({"srun"}), 2).value(), Launcher::kLocal) << "srun is of no use outside of a job";
  EXPECT_EQ(ChooseLauncher({}, With({"mpirun"}), 2).value(), Launcher::kMpirun);
}

TEST_F(ChooseLauncherTest, WhatIsAskedForIsTakenOrMissed) {
  EXPECT_EQ(ChooseLauncher(Launcher::kMpirun, With({"mpirun"}, {{"SLURM_JOB_ID", "7"}}), 1).value(), Launcher::kMpirun);
  const auto no_job = ChooseLauncher(Launcher::kSrun, With({"srun"}), 2);
  ASSERT_FALSE(no_job);
  EXPECT_THAT(no_job.error().message, HasSubstr("needs a Slurm job"));
  EXPECT_EQ(ChooseLauncher(Launcher::kMpirun, {{"PATH", "/nowhere"}}, 2).error().code, ErrorCode::kNotFound);
}

TEST(Launcher, GoesByItsName) {
  for (const Launcher launcher : {Launcher::kLocal, Launcher::kMpirun, Launcher::kSrun}) {
    EXPECT_EQ(ParseLauncher(Name(launcher)).value(), launcher);
  }
  EXPECT_FALSE(ParseLauncher("ssh"));
}

}  // namespace
}  // namespace tutti::worker
