#include "worker/trainer/parallel/collective.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <torch/torch.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace tutti::trainer {
namespace {

using ::testing::HasSubstr;

struct Ended {
  int exit_code = 0;
  std::string output;
};

Ended UnderMpirun(int ranks, const std::string& check, const std::string& environment = "") {
  const std::string command = fmt::format(
      "env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 {} timeout -s KILL 120 mpirun "
      "--oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -np {} {} {} 2>&1",
      environment, ranks, TUTTI_COLLECTIVE_RANKS, check);
  FILE* pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  Ended ended;
  std::array<char, 4096> buffer;
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) ended.output.append(buffer.data(), count);
  const int status = pclose(pipe);
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

TEST(MpiCollective, TwoRanksSumBroadcastAndReduceBuckets) {
  const Ended ended = UnderMpirun(2, "all");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
}

TEST(MpiCollective, ThreeRanksSumBroadcastAndReduceBuckets) {
  const Ended ended = UnderMpirun(3, "all");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
}

TEST(MpiCollective, AStuckRankEndsTheOthersWithRankAndStep) {
  const Ended ended = UnderMpirun(2, "stuck", "TUTTI_COLLECTIVE_TIMEOUT=2");
  EXPECT_NE(ended.exit_code, 0);
  EXPECT_THAT(ended.output, HasSubstr("rank 0 of 2"));
  EXPECT_THAT(ended.output, HasSubstr("at step 42"));
}

TEST(MpiCollective, AbortEndsTheGangWithItsCode) {
  const Ended ended = UnderMpirun(2, "abort");
  EXPECT_EQ(ended.exit_code, 74) << ended.output;
}

TEST(MakeCollective, IsSoloWithoutALauncherOrWithOneRank) {
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("PMIX_RANK");
  EXPECT_EQ((*MakeCollective(at::kCPU, {}))->kind(), "solo");
  setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
  setenv("PMIX_RANK", "0", 1);
  EXPECT_EQ((*MakeCollective(at::kCPU, {}))->kind(), "solo");
}

TEST(MakeCollective, RefusesAGangOnADeviceThatNothingReducesOn) {
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  const auto made = MakeCollective(c10::Device(at::kCUDA, 0), {});
  unsetenv("OMPI_COMM_WORLD_SIZE");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kInvalid);
}

TEST(MakeCollective, RefusesATimeoutThatIsNoNumber) {
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  setenv("TUTTI_COLLECTIVE_TIMEOUT", "soon", 1);
  const auto made = MakeCollective(at::kCPU, {});
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("TUTTI_COLLECTIVE_TIMEOUT");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("soon"));
}

TEST(MakeCollective, TakesItsTimeoutFromTheEnvironmentAloneToo) {
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("PMIX_RANK");
  setenv("TUTTI_COLLECTIVE_TIMEOUT", "7", 1);
  const auto made = MakeCollective(at::kCPU, {});
  setenv("TUTTI_COLLECTIVE_TIMEOUT", "soon", 1);
  const auto wrong = MakeCollective(at::kCPU, {});
  unsetenv("TUTTI_COLLECTIVE_TIMEOUT");
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->kind(), "solo");
  EXPECT_EQ((*made)->patience(), std::chrono::seconds(7));
  EXPECT_FALSE(wrong);
}

TEST(SoloCollective, SumsAreWhatTheyWere) {
  const auto solo = MakeSoloCollective();
  const at::Tensor tensor = torch::ones({4});
  EXPECT_TRUE(solo->AllReduceSum(tensor));
  EXPECT_TRUE(torch::equal(tensor, torch::ones({4})));
  EXPECT_TRUE(solo->Shutdown());
}

}  // namespace
}  // namespace tutti::trainer
