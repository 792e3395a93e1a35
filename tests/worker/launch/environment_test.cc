#include "worker/launch/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::worker {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(Environment, OfAnOuterMpirunIsTakenOut) {
  const Environment outer = {{"OMPI_COMM_WORLD_RANK", "1"},
                             {"OMPI_MCA_ess_base_jobid", "7"},
                             {"PMIX_NAMESPACE", "n"},
                             {"ORTE_LAUNCH", "1"},
                             {"PMI_RANK", "1"},
                             {"PATH", "/bin"}};
  EXPECT_THAT(WithoutOuterLaunch(outer), UnorderedElementsAre(Pair("PATH", "/bin")));
}

TEST(Environment, KeepsHowAnOuterMpirunWasToldToReachHosts) {
  const Environment outer = {{"OMPI_COMM_WORLD_RANK", "1"},
                             {"OMPI_MCA_orte_tmpdir_base", "/tmp"},
                             {"OMPI_MCA_plm_rsh_agent", "/bin/agent"},
                             {"OMPI_MCA_btl_tcp_if_include", "ib0"},
                             {"OMPI_MCA_mpi_oversubscribe", "0"}};
  EXPECT_THAT(WithoutOuterLaunch(outer), UnorderedElementsAre(Pair("OMPI_MCA_plm_rsh_agent", "/bin/agent"),
                                                              Pair("OMPI_MCA_btl_tcp_if_include", "ib0")));
}

TEST(Environment, OfSrunKeepsTheJobAndNotTheTask) {
  const Environment task = {{"SLURM_JOB_ID", "7"},   {"SLURM_CONF", "/etc/slurm.conf"},
                            {"SLURM_PROCID", "1"},   {"SLURM_STEP_ID", "0"},
                            {"SLURM_NTASKS", "2"},   {"PMIX_RANK", "1"},
                            {"OMPI_MCA_pml", "ucx"}, {"PATH", "/bin"}};
  EXPECT_THAT(ForSrun(task), UnorderedElementsAre(Pair("SLURM_JOB_ID", "7"), Pair("SLURM_CONF", "/etc/slurm.conf"),
                                                  Pair("PATH", "/bin")));
}

TEST(Environment, OfABatchSystemIsTakenOutSoThatRanksStartHere) {
  EXPECT_THAT(WithoutOuterLaunch({{"SLURM_JOB_ID", "7"}, {"PBS_NODEFILE", "/x"}}), IsEmpty());
}

TEST(Environment, KeepsTheUsersOwnSettingsForOpenMpi) {
  const Environment own = {{"OMPI_MCA_btl", "self,vader"}, {"SLURM_JOB_ID", "7"}};
  EXPECT_THAT(WithoutOuterLaunch(own), UnorderedElementsAre(Pair("OMPI_MCA_btl", "self,vader")));
}

TEST(Environment, OfATrainerNamesItsThreadsAndLetsThemSleep) {
  const Environment trainer = ForTrainer({{"OMP_NUM_THREADS", "64"}, {"HOME", "/root"}}, {3});
  EXPECT_THAT(trainer,
              IsSupersetOf({Pair("OMP_NUM_THREADS", "3"), Pair("OMP_WAIT_POLICY", "passive"), Pair("HOME", "/root")}));
}

TEST(Environment, OfAGpuHidesTheOthersAndKeepsWhatTheUserSetUpForSharing) {
  const Environment outer = {{"CUDA_VISIBLE_DEVICES", "0,1"}, {"CUDA_MPS_PIPE_DIRECTORY", "/mps"}};
  EXPECT_THAT(ForTrainer(outer, {1, {}, "GPU-b"}),
              IsSupersetOf({Pair("CUDA_VISIBLE_DEVICES", "GPU-b"), Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
                            Pair("CUDA_MPS_PIPE_DIRECTORY", "/mps")}));
  EXPECT_THAT(ForTrainer({}, {}), Contains(Pair("CUDA_VISIBLE_DEVICES", ""))) << "none at all, not all of them";
}

TEST(Environment, OfALauncherLetsRootRun) {
  EXPECT_THAT(ForLauncher({}),
              UnorderedElementsAre(Pair("OMPI_ALLOW_RUN_AS_ROOT", "1"), Pair("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")));
}

TEST(FindProgram, LooksThroughThePath) {
  EXPECT_EQ(FindProgram("sh", {{"PATH", "/nowhere::/bin"}}).value(), "/bin/sh");
  const auto missing = FindProgram("sh", {{"PATH", "/nowhere"}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("install it"));
}

TEST(FindProgram, TakesAPathAsItIsButOnlyOfAProgram) {
  EXPECT_EQ(FindProgram("/bin/sh", {}).value(), "/bin/sh");
  EXPECT_FALSE(FindProgram("/etc/passwd", {}));
  EXPECT_FALSE(FindProgram("/bin", {}));
}

}  // namespace
}  // namespace tutti::worker
