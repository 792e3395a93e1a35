// Gangs on slots of two workers of one machine, started by the real mpirun.

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
using protocol::GrantSlots;
using protocol::SlotsFree;
using protocol::StartAttempt;
using protocol::StopReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// n1 leads with its slot 0; n2 lends its slot 1 for rank 1.
class SpreadGangTest : public AgentTest {
 protected:
  SpreadGangTest() { options_.start_deadline = std::chrono::seconds(30); }

  void StartBoth() {
    StartAndJoin();
    AgentOptions options = options_;
    options.id = WorkerId("n2");
    follower_ = Agent::Start(options).value();
    JoinFollower();
  }
  protocol::Hello JoinFollower() {
    follows_.Forget();
    follows_.Connect(follower_->post(), [this](auto end) { follower_->Attach(std::move(end)); });
    const auto hello = follows_.Next<protocol::Hello>();
    follows_.Say(protocol::Welcome{});
    return hello;
  }

  StartAttempt Spread(const std::vector<std::string>& script) {
    StartAttempt start = Scripted("m", {0}, script);
    start.gang.push_back({WorkerId("n2"), 1});
    start.hosts = {"n1", "n1"};
    return start;
  }
  void GrantToFollower(const AttemptId& attempt) { follows_.Say(GrantSlots{attempt, {1}, {1}}); }
  // As a coordinator does: slots for all, then the start.
  StartAttempt StartSpread(const std::vector<std::string>& script) {
    const StartAttempt start = Spread(script);
    GrantToFollower(start.attempt);
    coordinator_.Say(GrantSlots{start.attempt, {0}, {0}});
    coordinator_.Say(start);
    return start;
  }
  // What every rank does first: rank 0 says that it has started, each leaves its process id.
  static std::vector<std::string> Then(std::vector<std::string> script) {
    script.insert(script.begin(), {"listen", "pid pids", std::string("0:say ") + kStarted});
    return script;
  }
  void ExpectAllIsFreeAndGone(const std::vector<pid_t>& pids) {
    EXPECT_THAT(coordinator_.Next<SlotsFree>().slots, ElementsAre(0));
    EXPECT_THAT(follows_.Next<SlotsFree>().slots, ElementsAre(1));
    EXPECT_TRUE(coordinator_.Until(
        [&] { return std::none_of(pids.begin(), pids.end(), [](pid_t pid) { return Runs(pid); }); }));
  }

  FakeCoordinator follows_;  // the follower's end
  std::unique_ptr<Agent> follower_;
};

TEST_F(SpreadGangTest, IsOneMpiWorld) {
  StartBoth();
  const auto start = StartSpread({"sum sums"});
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 0) << exited.last_log_lines;
  EXPECT_EQ(Read(start.task.folder / "sums"), "3\n3\n");
  ExpectAllIsFreeAndGone({});
}

TEST_F(SpreadGangTest, IsAnnouncedByBothWorkers) {
  StartBoth();
  const auto start = StartSpread(Then({"await never"}));
  coordinator_.Next<AttemptEvent>();
  const auto follows = JoinFollower().running;
  ASSERT_EQ(follows.size(), 1u);
  EXPECT_EQ(follows[0].attempt, start.attempt);
  EXPECT_FALSE(follows[0].leader);
  EXPECT_THAT(follows[0].slots, ElementsAre(1));
  const auto leads = Join().running;
  ASSERT_EQ(leads.size(), 1u);
  EXPECT_TRUE(leads[0].leader);
  EXPECT_THAT(leads[0].slots, ElementsAre(0));
}

TEST_F(SpreadGangTest, IsAskedForACheckpointByItsLeader) {
  StartBoth();
  const auto start = StartSpread(Then({"await-signal", "exit 75"}));
  coordinator_.Next<AttemptEvent>();
  const auto pids = Pids(start.task.folder / "pids", 2);
  Stop(start.attempt, StopReason::kRequested);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 75) << exited.last_log_lines;
  ExpectAllIsFreeAndGone(pids);
}

// Ranks take signals from their hello on, and the leader does not hear those of the other worker: it goes by the first
// event, which tells that all are there.
TEST_F(SpreadGangTest, HearsARequestThatComesBeforeItsRanksAreThere) {
  StartBoth();
  const auto start =
      StartSpread({"listen", "sum together", std::string("0:say ") + kStarted, "await-signal", "exit 75"});
  Stop(start.attempt, StopReason::kRequested);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 75) << exited.last_log_lines;
}

TEST_F(SpreadGangTest, EndsWholeWhenItIsStaleForTheFollower) {
  StartBoth();
  const auto start = StartSpread(Then({"deaf", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  follows_.Say(protocol::StopAttempt{start.attempt, StopReason::kStale});
  EXPECT_NE(coordinator_.Next<AttemptExited>().exit_code, 0);
  ExpectAllIsFreeAndGone(pids);
}

TEST_F(SpreadGangTest, EndsWholeWhenItIsStaleForItsLeader) {
  StartBoth();
  const auto start = StartSpread(Then({"deaf", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  Stop(start.attempt, StopReason::kStale);
  ExpectAllIsFreeAndGone(pids);
}

// mpirun kills its ranks, not what their trainers have started: the coordinator tells the follower of the end.
TEST_F(SpreadGangTest, IsGoneWithAllThatItStartedOnceItsEndIsToldToTheFollower) {
  options_.kill_deadline = std::chrono::milliseconds(100);
  StartBoth();
  const auto start = StartSpread(Then({"deaf", "child pids", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 4);
  Stop(start.attempt, StopReason::kStale);
  coordinator_.Next<AttemptExited>();
  follows_.Say(protocol::StopAttempt{start.attempt, StopReason::kStale});
  ExpectAllIsFreeAndGone(pids);
}

TEST_F(SpreadGangTest, EndsWholeWhenItsLauncherIsKilled) {
  StartBoth();
  const auto start = StartSpread(Then({"deaf", "child pids", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 4);
  ::kill(ParentOf(ParentOf(pids[0])), SIGKILL);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
  ExpectAllIsFreeAndGone(pids);
}

TEST_F(SpreadGangTest, EndsWholeWithTheFollowersAgent) {
  StartBoth();
  const auto start = StartSpread(Then({"deaf", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  follower_.reset();
  EXPECT_NE(coordinator_.Next<AttemptExited>().exit_code, 0);
  ExpectAllIsFreeAndGone(pids);
}

TEST_F(SpreadGangTest, EndsWholeWithItsLeadersAgent) {
  StartBoth();
  const auto start = StartSpread(Then({"deaf", "await never"}));
  const auto pids = Pids(start.task.folder / "pids", 2);
  agent_.reset();
  EXPECT_THAT(follows_.Next<SlotsFree>().slots, ElementsAre(1));
  EXPECT_TRUE(
      follows_.Until([&] { return std::none_of(pids.begin(), pids.end(), [](pid_t pid) { return Runs(pid); }); }));
}

// The two workers are told over two connections.
TEST_F(SpreadGangTest, WaitsForAGrantThatComesAfterTheStart) {
  options_.grant_deadline = FakeCoordinator::kPatience;
  StartBoth();
  const auto start = Spread(Then({"exit 0"}));
  coordinator_.Say(start);
  Pids(start.task.folder / "pids", 1);  // of the leader: the other one has none to become
  GrantToFollower(start.attempt);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 0) << exited.last_log_lines;
  ExpectAllIsFreeAndGone({});
}

TEST_F(SpreadGangTest, EndsWhenARankIsGrantedNoSlot) {
  options_.grant_deadline = std::chrono::milliseconds(100);
  StartBoth();
  const auto start = Spread(Then({"await never"}));
  coordinator_.Say(start);
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 70);
  EXPECT_THAT(exited.last_log_lines, HasSubstr("the worker n2 runs no digits-1/m/attempt-1"));
  coordinator_.Next<SlotsFree>();
}

TEST_F(SpreadGangTest, IsNotStartedWithAWorkerOfAnotherMachineOrOneThatIsAway) {
  StartBoth();
  StartAttempt start = Spread({});
  start.hosts = {"n1", "elsewhere"};
  coordinator_.Say(start);
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("n2 on elsewhere"));
  start.attempt.number = 2;
  start.task.attempt.number = 2;
  start.hosts = {"n1", ""};
  coordinator_.Say(start);
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("the worker n2 of its gang is away"));
}

TEST_F(SpreadGangTest, GetsNoSlotOfAWorkerThatLeaves) {
  StartBoth();
  follower_->RequestStop();
  follows_.Next<protocol::Leaving>();
  GrantToFollower(TaskIn(options_.home, "m", 1).attempt);
  EXPECT_THAT(follows_.Next<AttemptFailedToStart>().error, HasSubstr("the worker n2 is leaving"));
  EXPECT_THAT(follows_.Next<SlotsFree>().slots, ElementsAre(1));
  EXPECT_TRUE(follower_->WaitStopped(FakeCoordinator::kPatience));
}

TEST_F(SpreadGangTest, KeepsAWorkerThatLeavesUntilItHasEnded) {
  StartBoth();
  const auto start = StartSpread(Then({"await-signal", "exit 75"}));
  coordinator_.Next<AttemptEvent>();
  Pids(start.task.folder / "pids", 2);
  follower_->RequestStop();
  follows_.Next<protocol::Leaving>();
  EXPECT_THAT(follows_.Heard<SlotsFree>(), IsEmpty());
  Stop(start.attempt, StopReason::kPreempted);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
  EXPECT_TRUE(follower_->WaitStopped(FakeCoordinator::kPatience));
}

}  // namespace
}  // namespace tutti::worker
