// Gangs of several ranks, started by the real mpirun.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/worker/agent/agent_fixture.h"
#include "worker/agent/agent.h"

namespace tutti::worker {
namespace {

using protocol::AttemptEvent;
using protocol::AttemptExited;
using protocol::AttemptFailedToStart;
using protocol::AttemptStarted;
using protocol::SlotsFree;
using protocol::StopReason;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class GangTest : public AgentTest {
 protected:
  // What every rank does first: rank 0 says that it has started, each leaves its process id.
  static std::vector<std::string> Then(std::vector<std::string> script) {
    script.insert(script.begin(), {"listen", "pid pids", std::string("0:say ") + kStarted});
    return script;
  }
  // None of the launchers' temporary files.
  void ExpectOnlyTheSocket() {
    for (const auto& own : std::filesystem::directory_iterator(options_.runtime_folder)) {
      if (own.is_symlink()) continue;  // the worker's address
      for (const auto& entry : std::filesystem::directory_iterator(own)) {
        EXPECT_EQ(entry.path().filename(), "ranks.sock");
      }
    }
  }
  bool AllGone(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
      if (Runs(pid)) return false;
    }
    return true;
  }
};

TEST_F(GangTest, RunsEveryRankOnItsSlot) {
  StartAndJoin();
  const auto start = Start("m", {1, 0}, {"0:facts rank0", "1:facts rank1", "print hello"});
  EXPECT_EQ(coordinator_.Next<AttemptStarted>().attempt, start.attempt);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 0) << exited.last_log_lines;
  EXPECT_EQ(exited.last_log_lines, "hello\nhello\n");
  EXPECT_THAT(coordinator_.Next<SlotsFree>().slots, ElementsAre(1, 0));
  for (const int rank : {0, 1}) {
    const std::string facts = Read(start.task.folder / fmt::format("rank{}", rank));
    std::vector<int> cpus = options_.inventory.CpusOf(1 - rank);
    if (cpus.empty()) cpus = options_.inventory.cpus;
    EXPECT_THAT(facts, HasSubstr(fmt::format("cpus: {}\n", fmt::join(cpus, " "))));
    EXPECT_THAT(facts, HasSubstr("OMPI_COMM_WORLD_SIZE=2\n"));
    EXPECT_THAT(facts, HasSubstr("OMP_NUM_THREADS=1\n"));
    EXPECT_THAT(facts, HasSubstr("socket:")) << "its lifeline";
  }
}

TEST_F(GangTest, ShowsEachRankTheGpuOfItsSlot) {
  ::setenv("CUDA_VISIBLE_DEVICES", "0,1,2", 1);  // which mpirun passes on
  options_.inventory.gpus = {{"GPU-a", "A100", 40}, {"GPU-b", "A100", 40}};
  StartAndJoin();
  const auto start = Start("m", {1, 0}, {"0:facts rank0", "1:facts rank1"});
  const auto exited = coordinator_.Next<AttemptExited>();
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(exited.exit_code, 0) << exited.last_log_lines;
  EXPECT_THAT(Read(start.task.folder / "rank0"), HasSubstr("CUDA_VISIBLE_DEVICES=GPU-b\n"));
  EXPECT_THAT(Read(start.task.folder / "rank1"), HasSubstr("CUDA_VISIBLE_DEVICES=GPU-a\n"));
}

TEST_F(GangTest, StartsMpiInTheChildOfTheRank) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, {"sum sums"});
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 0) << exited.last_log_lines;
  EXPECT_EQ(Read(start.task.folder / "sums"), "3\n3\n");
}

TEST_F(GangTest, AsksEveryRankForACheckpoint) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"await-signal", "exit 75"}));
  coordinator_.Next<AttemptEvent>();
  Pids(start.task.folder / "pids", 2);
  Stop(start.attempt, StopReason::kRequested);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 75) << exited.last_log_lines;
}

TEST_F(GangTest, EndsWholeWhenARankDies) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"1:await go", "1:die 9", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  Touch(start.task.folder / "go");
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 128 + SIGKILL) << exited.last_log_lines;
  coordinator_.Next<SlotsFree>();
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(GangTest, TellsTheExitCodeOfARank) {
  StartAndJoin();
  Start("m", {0, 1}, {"exit 76"});
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 76);
}

TEST_F(GangTest, IsGoneOnceItsSlotsAreFree) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"deaf", "child pids", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 4);
  Stop(start.attempt, StopReason::kCancelled);
  coordinator_.Next<AttemptExited>();
  coordinator_.Next<SlotsFree>();
  EXPECT_TRUE(AllGone(pids));
  ExpectOnlyTheSocket();
}

// Ranks take signals from their hello on: a request before it must neither end them nor be lost.
TEST_F(GangTest, HearsARequestThatComesBeforeItsRanksAreThere) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"await-signal", "exit 75"}));
  Stop(start.attempt, StopReason::kRequested);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 75) << exited.last_log_lines;
}

TEST_F(GangTest, EndsWholeWhenItsLauncherIsKilled) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"deaf", "child pids", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 4);
  ::kill(ParentOf(ParentOf(pids[0])), SIGKILL);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
  coordinator_.Next<SlotsFree>();
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(GangTest, IsKilledWhenItsRanksDoNotListen) {
  options_.kill_deadline = std::chrono::milliseconds(100);
  StartAndJoin();
  const auto start = Start("m", {0, 1}, {"deaf", "pid pids", "child pids", "await never"});
  const auto pids = Pids(start.task.folder / "pids", 4);
  ::kill(ParentOf(pids[0]), SIGSTOP);
  Stop(start.attempt, StopReason::kCancelled);
  coordinator_.Next<AttemptExited>();
  coordinator_.Next<SlotsFree>();
  EXPECT_TRUE(AllGone(pids));
}

// What they have started holds their lifelines: its slots would never be free.
TEST_F(GangTest, IsKilledWithAllThatItStartedWhenNobodyOfItListens) {
  options_.kill_deadline = std::chrono::milliseconds(100);
  StartAndJoin();
  const auto start = Start("m", {0, 1}, {"deaf", "child children", "pid trainers", "await never"});
  auto pids = Pids(start.task.folder / "children", 2);
  for (const pid_t trainer : Pids(start.task.folder / "trainers", 2)) {
    const pid_t rank = ParentOf(trainer);
    ::kill(rank, SIGSTOP);
    ::kill(ParentOf(rank), SIGSTOP);
    pids.insert(pids.end(), {trainer, rank});
  }
  Stop(start.attempt, StopReason::kCancelled);
  coordinator_.Next<AttemptExited>();
  coordinator_.Next<SlotsFree>();
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(GangTest, EndsItsLogWithWhatTheFailedRankSaid) {
  StartAndJoin();
  Start("m", {0, 1}, {"1:print tutti-trainer: the disk is full", "1:exit 74", "await never"});
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 74);
  EXPECT_THAT(exited.last_log_lines, EndsWith("tutti-trainer: the disk is full\n"));
}

TEST_F(GangTest, ThatFailsWithoutAReasonEndsItsLogWithItsRanksLastWordsAndNotMpiruns) {
  StartAndJoin();
  Start("m", {0, 1}, {"1:print epoch 3", "1:exit 3", "await never"});
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 3);
  EXPECT_THAT(exited.last_log_lines, EndsWith("epoch 3\n"));
}

TEST_F(GangTest, ThatCannotStartLeavesNothingInTheRuntimeFolder) {
  options_.mpirun = folder_ / "mpirun";
  std::ofstream(options_.mpirun) << "#!/nowhere/interpreter\n";
  std::filesystem::permissions(options_.mpirun, std::filesystem::perms::owner_all);
  StartAndJoin();
  Start("m", {0, 1}, {});
  coordinator_.Next<AttemptFailedToStart>();
  ExpectOnlyTheSocket();
}

TEST_F(GangTest, ThatIgnoresARequestIsKilled) {
  options_.checkpoint_deadline = std::chrono::milliseconds(50);
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"deaf", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  Stop(start.attempt, StopReason::kRequested);
  EXPECT_NE(coordinator_.Next<AttemptExited>().exit_code, 0);
  coordinator_.Next<SlotsFree>();
  EXPECT_TRUE(AllGone(pids));
}

// As a cluster does at its time limit, to everything at once.
TEST_F(GangTest, OutlivesSigtermToEverythingUntilItsCheckpoint) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"await-signal", "exit 75"}));
  const auto trainers = Pids(start.task.folder / "pids", 2);
  for (const pid_t trainer : trainers) {
    const pid_t rank = ParentOf(trainer);
    const pid_t launcher = ParentOf(rank);
    ::kill(launcher, SIGTERM);
    ::kill(rank, SIGTERM);
    ::kill(trainer, SIGTERM);
  }
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 75) << exited.last_log_lines;
}

TEST_F(GangTest, WithoutMpirunSaysWhatToInstall) {
  options_.mpirun = "mpirun-that-is-not-there";
  StartAndJoin();
  Start("m", {0, 1}, {});
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("install it"));
}

// As one that waits for a password, or for a node that does not answer.
TEST_F(GangTest, IsGivenUpWhenItsLauncherStartsNothing) {
  options_.mpirun = Program("launcher", "exec sleep 600");
  options_.start_deadline = std::chrono::milliseconds(50);
  StartAndJoin();
  const auto start = Start("m", {0, 1}, {});
  const auto failed = coordinator_.Next<AttemptFailedToStart>();
  EXPECT_EQ(failed.attempt, start.attempt);
  EXPECT_THAT(failed.error, HasSubstr("0 of its 2 ranks came up"));
  EXPECT_THAT(failed.error, HasSubstr((start.task.folder / "log.txt").string()));
  EXPECT_THAT(coordinator_.Next<SlotsFree>().slots, ElementsAre(0, 1));
  EXPECT_THAT(coordinator_.Heard<AttemptExited>(), IsEmpty());
}

TEST_F(GangTest, EndsWithItsAgent) {
  StartAndJoin();
  const auto start = Start("m", {0, 1}, Then({"deaf", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  agent_.reset();
  EXPECT_TRUE(AllGone(pids));
}

}  // namespace
}  // namespace tutti::worker
