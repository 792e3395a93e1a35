#include "cli/ranks/outer_launch.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using worker::Environment;

Environment OpenMpi4(Environment more = {}) {
  Environment environment = {{"OMPI_COMM_WORLD_SIZE", "3"},
                             {"OMPI_COMM_WORLD_RANK", "2"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_MCA_orte_ess_num_procs", "3"}};
  environment.merge(more);
  return environment;
}

TEST(FindOuterLaunch, FindsNoneWhereNothingHasStartedThis) {
  EXPECT_EQ(FindOuterLaunch({{"PATH", "/bin"}}).value(), std::nullopt);
}

TEST(FindOuterLaunch, TakesALaunchOfOneForNone) {
  EXPECT_EQ(FindOuterLaunch({{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}}).value(), std::nullopt);
  EXPECT_EQ(FindOuterLaunch({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}).value(), std::nullopt);
}

TEST(FindOuterLaunch, TakesAScriptOfSbatchForNoLaunch) {
  EXPECT_EQ(FindOuterLaunch({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).value(),
            std::nullopt);
}

TEST(FindOuterLaunch, ReadsARankOfMpirun) {
  EXPECT_EQ(FindOuterLaunch(OpenMpi4()).value(), (OuterLaunch{3, 2, 1, LossOfARank::kEndsAll}));
}

TEST(FindOuterLaunch, SeesThatTheOthersGoOnOnlyWithBothOptions) {
  const auto loss = [](Environment more) { return FindOuterLaunch(OpenMpi4(std::move(more))).value()->loss; };
  const std::pair<const std::string, std::string> no_abort = {"OMPI_MCA_orte_abort_on_non_zero_status", "0"};
  const std::pair<const std::string, std::string> recovery = {"OMPI_MCA_orte_enable_recovery", "1"};
  EXPECT_EQ(loss({no_abort}), LossOfARank::kEndsAll);
  EXPECT_EQ(loss({recovery}), LossOfARank::kEndsAll);
  EXPECT_EQ(loss({no_abort, recovery}), LossOfARank::kIsSurvived);
}

TEST(FindOuterLaunch, SaysNothingOfWhatOpenMpi5DoesNotTell) {
  Environment environment = OpenMpi4();
  environment.erase("OMPI_MCA_orte_ess_num_procs");
  EXPECT_EQ(FindOuterLaunch(environment).value()->loss, LossOfARank::kUnknown);
}

TEST(FindOuterLaunch, ReadsATaskOfSrunThatCanMeetTheOthers) {
  const Environment task = {
      {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}, {"SLURM_LOCALID", "0"}, {"PMIX_RANK", "1"}};
  EXPECT_EQ(FindOuterLaunch(task).value(), (OuterLaunch{2, 1, 0, LossOfARank::kUnknown}));
}

TEST(FindOuterLaunch, SaysHowTasksOfSrunCanMeet) {
  const auto launch = FindOuterLaunch({{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}});
  ASSERT_FALSE(launch);
  EXPECT_EQ(launch.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(launch.error().message, HasSubstr("srun --mpi=pmix"));
}

TEST(FindOuterLaunch, RefusesWhatIsNoNumber) {
  for (const char* size : {"", "-3", "three", "3 ", "99999999999"}) {
    const auto launch = FindOuterLaunch({{"OMPI_COMM_WORLD_SIZE", size}});
    ASSERT_FALSE(launch) << size;
    EXPECT_THAT(launch.error().message, HasSubstr("OMPI_COMM_WORLD_SIZE="));
  }
}

TEST(IsFollowingRank, IsEverybodyButTheFirst) {
  EXPECT_TRUE(IsFollowingRank(OpenMpi4()));
  Environment first = OpenMpi4();
  first["OMPI_COMM_WORLD_RANK"] = "0";
  EXPECT_FALSE(IsFollowingRank(first));
  EXPECT_FALSE(IsFollowingRank({}));
  EXPECT_TRUE(IsFollowingRank({{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}})) << "also where they cannot meet";
}

}  // namespace
}  // namespace tutti::cli
