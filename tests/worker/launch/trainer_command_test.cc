#include "worker/launch/trainer_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace tutti::worker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::Pair;

protocol::Task TaskOf(JobKind kind) {
  protocol::Task task;
  task.kind = kind;
  task.folder = "/runs/a-1/members/m/attempt-1";
  return task;
}

TEST(TrainerArguments, NameTheKindOfJobAndTheTask) {
  EXPECT_THAT(TrainerArguments("/bin/tutti-trainer", TaskOf(JobKind::kTrain)).value(),
              ElementsAre("/bin/tutti-trainer", "train", "/runs/a-1/members/m/attempt-1/task.json"));
  EXPECT_THAT(TrainerArguments("/bin/tutti-trainer", TaskOf(JobKind::kInspect)).value(),
              ElementsAre("/bin/tutti-trainer", "inspect", "/runs/a-1/members/m/attempt-1/task.json"));
}

TEST(TrainerArguments, OfAJobThatNoTrainerDoesAreAnError) {
  EXPECT_FALSE(TrainerArguments("/bin/tutti-trainer", TaskOf(JobKind::kEvaluate)));
}

const GangLaunch kLaunch{"/usr/bin/mpirun",
                         "/bin/tutti",
                         "/runs",
                         "/run/user/7/tutti",
                         "/run/tmp",
                         {{EnsembleId("a-1"), "m"}, 2},
                         {{WorkerId("n1"), 3}},
                         2};

// What mpirun is told to start, command by command.
std::vector<std::string> Started(const GangLaunch& launch) {
  const std::vector<std::string> words = GangCommand(launch).arguments;
  return {std::find(words.begin(), words.end(), "-np"), words.end()};
}

TEST(GangCommand, StartsARankForEachSlotHere) {
  const Command command = GangCommand(kLaunch);
  EXPECT_EQ(command.arguments[0], "/usr/bin/mpirun");
  EXPECT_THAT(Started(kLaunch),
              ElementsAre("-np", "3", "--host", "localhost:3", "/bin/tutti", "rank", "a-1/m/attempt-2", "--worker",
                          "n1", "--home", "/runs", "--meeting-folder", "/run/user/7/tutti"));
  EXPECT_THAT(command.environment, Contains(Pair("OMP_NUM_THREADS", "2")));
  EXPECT_THAT(command.environment, Contains(Pair("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")));
}

TEST(GangCommand, TellsEachRankTheWorkerThatGrantedItsSlot) {
  GangLaunch launch = kLaunch;
  launch.parts = {{WorkerId("n1"), 2}, {WorkerId("n2"), 1}};
  EXPECT_THAT(Started(launch),
              ElementsAre("-np", "2", "--host", "localhost:3", "/bin/tutti", "rank", "a-1/m/attempt-2", "--worker",
                          "n1", "--home", "/runs", "--meeting-folder", "/run/user/7/tutti", ":",  //
                          "-np", "1", "--host", "localhost:3", "/bin/tutti", "rank", "a-1/m/attempt-2", "--worker",
                          "n2", "--home", "/runs", "--meeting-folder", "/run/user/7/tutti"));
}

GangLaunch AcrossMachines() {
  GangLaunch launch = kLaunch;
  launch.launcher = Launcher::kMpirun;
  launch.parts = {{WorkerId("n1"), 1, "n1"}, {WorkerId("n2"), 2, "n2"}, {WorkerId("n2-2"), 1, "n2"}};
  return launch;
}

TEST(GangCommand, StartsRanksOnTheMachinesOfTheirWorkers) {
  const std::vector<std::string> words = Started(AcrossMachines());
  EXPECT_THAT(std::vector(words.begin(), words.begin() + 5), ElementsAre("-np", "1", "--host", "n1:1", "/bin/tutti"));
  const auto second = std::find(words.begin(), words.end(), ":") + 1;
  EXPECT_THAT(std::vector(second, second + 5), ElementsAre("-np", "2", "--host", "n2:3", "/bin/tutti"));
  EXPECT_THAT(GangCommand(AcrossMachines()).arguments, Not(Contains("isolated"))) << "it would stay here";
  EXPECT_THAT(GangCommand(AcrossMachines()).environment, Contains(Pair("TMPDIR", "/run/tmp")));
}

TEST(GangCommand, LeavesTheMachineOnlyWhereItMust) {
  GangLaunch launch = AcrossMachines();
  for (GangPart& part : launch.parts) part.host = "n1";
  EXPECT_THAT(GangCommand(launch).arguments, Contains("isolated"));
  EXPECT_THAT(Started(launch), Contains("localhost:4"));
}

TEST(GangCommand, TellsSrunANodeForEachRankAndAWorker) {
  GangLaunch launch = AcrossMachines();
  launch.launcher = Launcher::kSrun;
  launch.program = "/usr/bin/srun";
  const std::vector<std::string> words = GangCommand(launch).arguments;
  EXPECT_EQ(words[0], "/usr/bin/srun");
  EXPECT_THAT(words, IsSupersetOf({"--mpi=pmix", "--overlap", "--nodelist=n1,n2,n2,n2", "--nodes=2", "--ntasks=4"}));
  std::vector<std::string> workers;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "--worker") workers.push_back(words[i + 1]);
  }
  EXPECT_THAT(workers, ElementsAre("n1", "n2", "n2", "n2-2"));
}

// A cluster sends SIGTERM to launcher and ranks at once; the launcher must outlive their checkpoint.
TEST(GangCommand, KeepsTheLauncherFromSigterm) { EXPECT_THAT(GangCommand({}).blocked_signals, Contains(SIGTERM)); }

TEST(SoloCommand, SurvivesARequestThatComesTooEarly) {
  EXPECT_THAT(SoloCommand({"/bin/true"}, {}).ignored_signals, Contains(SIGUSR1));
}

TEST(SoloCommand, SeesTheGpuOfItsSlotAlone) {
  EXPECT_THAT(SoloCommand({"/bin/true"}, {1, {}, "GPU-a"}).environment,
              IsSupersetOf({Pair("CUDA_VISIBLE_DEVICES", "GPU-a"), Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID")}));
  EXPECT_THAT(SoloCommand({"/bin/true"}, {}).environment, Contains(Pair("CUDA_VISIBLE_DEVICES", "")));
}

}  // namespace
}  // namespace tutti::worker
