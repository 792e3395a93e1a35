#include "worker/agent/agent.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <new>

#include "tests/worker/agent/agent_fixture.h"

namespace tutti::worker {
namespace {

using protocol::AttemptEvent;
using protocol::AttemptExited;
using protocol::AttemptFailedToStart;
using protocol::AttemptStarted;
using protocol::Heartbeat;
using protocol::SlotsFree;
using protocol::StopReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

template <typename Event>
bool Is(const AttemptEvent& message) {
  return std::holds_alternative<Event>(message.event);
}

// ---- joining ----

TEST_F(AgentTest, IntroducesItself) {
  StartAgent();
  const auto hello = Join();
  EXPECT_EQ(hello.worker, WorkerId("n1"));
  EXPECT_EQ(hello.host, "n1");
  EXPECT_EQ(hello.launch_domain, "n1");
  EXPECT_EQ(hello.slots, 2);
  EXPECT_EQ(hello.threads_per_slot, 1);
  EXPECT_GT(hello.incarnation.value, 0);
  EXPECT_THAT(hello.running, IsEmpty());
}

TEST_F(AgentTest, IsANewerIncarnationAfterEachStart) {
  StartAgent();
  const Incarnation first = Join().incarnation;
  agent_.reset();
  StartAgent();
  EXPECT_GT(Join().incarnation, first);
}

TEST_F(AgentTest, ShowsThatItLives) {
  StartAndJoin();
  coordinator_.Next<Heartbeat>();
  coordinator_.Next<Heartbeat>();
}

TEST_F(AgentTest, LetsGoOfACoordinatorThatRefusesItAndKeepsWhy) {
  StartAndJoin();
  EXPECT_FALSE(agent_->failure());
  coordinator_.Say(protocol::Refused{"use programs of one release"});
  EXPECT_TRUE(coordinator_.Until([&] { return coordinator_.closed(); }));
  ASSERT_TRUE(agent_->failure());
  EXPECT_EQ(agent_->failure()->message, "the coordinator refused this worker: use programs of one release");
}

TEST_F(AgentTest, KeepsNothingThatIsPostedToItOnceItIsGone) {
  StartAndJoin();
  const protocol::Post post = agent_->post();
  agent_.reset();
  const auto witness = std::make_shared<int>();
  post([witness] {});
  EXPECT_EQ(witness.use_count(), 1);
}

TEST_F(AgentTest, WithoutATrainerDoesNotStart) {
  options_.trainer.clear();
  ::setenv("TUTTI_TRAINER", "/nowhere/tutti-trainer", 1);
  const auto agent = Agent::Start(options_);
  ::unsetenv("TUTTI_TRAINER");
  ASSERT_FALSE(agent);
  EXPECT_EQ(agent.error().code, ErrorCode::kNotFound);
}

// ---- one attempt ----

TEST_F(AgentTest, TellsAnAttemptFromItsStartToItsEnd) {
  StartAndJoin();
  const auto start =
      Start("m", {1}, {std::string("say ") + kStarted, "print all is well", std::string("say ") + kFinished});
  EXPECT_EQ(coordinator_.Next<AttemptStarted>().attempt, start.attempt);
  const auto first = coordinator_.Next<AttemptEvent>();
  EXPECT_TRUE(Is<protocol::Started>(first));
  EXPECT_EQ(first.sequence, static_cast<int64_t>(std::string(kStarted).size()) + 1);
  const auto second = coordinator_.Next<AttemptEvent>();
  EXPECT_TRUE(Is<protocol::Finished>(second));
  EXPECT_EQ(second.sequence, static_cast<int64_t>(std::filesystem::file_size(start.task.events)));
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.attempt, start.attempt);
  EXPECT_EQ(exited.exit_code, 0);
  EXPECT_EQ(exited.last_log_lines, "all is well\n");
  const auto free = coordinator_.Next<SlotsFree>();
  EXPECT_EQ(free.attempt, start.attempt);
  EXPECT_THAT(free.slots, ElementsAre(1));
  EXPECT_EQ(Read(start.task.folder / "log.txt"), "all is well\n");
}

TEST_F(AgentTest, WritesTheTaskFileOnlyWhereItIsMissing) {
  StartAndJoin();
  const auto missing = Start("m", {0}, {});
  coordinator_.Next<AttemptExited>();
  const auto written = ParseJson(Read(missing.task.folder / "task.json")).and_then(protocol::TaskFromJson);
  ASSERT_TRUE(written) << written.error().Text();
  EXPECT_EQ(written->attempt, missing.attempt);

  const auto there = Scripted("n", {0}, {});
  std::ofstream(there.task.folder / "task.json") << "as the coordinator wrote it";
  coordinator_.Say(there);
  coordinator_.Next<AttemptExited>();
  EXPECT_EQ(Read(there.task.folder / "task.json"), "as the coordinator wrote it");
}

TEST_F(AgentTest, GivesATrainerItsThreadsAndAQuietPlace) {
  ::setenv("OMPI_COMM_WORLD_RANK", "3", 1);  // as under an outer mpirun
  StartAndJoin();
  const auto start = Start("m", {1}, {"facts facts"});
  coordinator_.Next<AttemptExited>();
  ::unsetenv("OMPI_COMM_WORLD_RANK");
  const std::string facts = Read(start.task.folder / "facts");
  EXPECT_THAT(facts, HasSubstr("OMP_NUM_THREADS=1\n"));
  EXPECT_THAT(facts, HasSubstr("OMP_WAIT_POLICY=passive\n"));
  EXPECT_THAT(facts, Not(HasSubstr("OMPI_COMM_WORLD_RANK")));
  EXPECT_THAT(facts, HasSubstr("open 0 /dev/null\n"));
  EXPECT_THAT(facts, Not(HasSubstr("socket:")));
  EXPECT_THAT(facts, HasSubstr("folder " + std::filesystem::canonical(options_.home).string() + "\n"));
}

TEST_F(AgentTest, ShowsATrainerTheGpuOfItsSlotAlone) {
  ::setenv("CUDA_VISIBLE_DEVICES", "0,1,2", 1);
  options_.inventory.gpus = {{"GPU-a", "A100", 40}, {"GPU-b", "A100", 40}};
  options_.inventory.slot_memory_bytes = 40;
  StartAgent();
  const auto hello = Join();
  EXPECT_EQ(hello.device, "cuda");
  EXPECT_EQ(hello.slot_memory_bytes, 40);
  const auto start = Start("m", {1}, {"facts facts"});
  coordinator_.Next<AttemptExited>();
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  const std::string facts = Read(start.task.folder / "facts");
  EXPECT_THAT(facts, HasSubstr("CUDA_VISIBLE_DEVICES=GPU-b\n"));
  EXPECT_THAT(facts, HasSubstr("CUDA_DEVICE_ORDER=PCI_BUS_ID\n"));
}

TEST_F(AgentTest, ShowsATrainerNoGpuOnSlotsOfCpus) {
  ::setenv("CUDA_VISIBLE_DEVICES", "0,1,2", 1);
  StartAndJoin();
  const auto start = Start("m", {1}, {"facts facts"});
  coordinator_.Next<AttemptExited>();
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_THAT(Read(start.task.folder / "facts"), HasSubstr("CUDA_VISIBLE_DEVICES=\n"));
}

TEST_F(AgentTest, BindsSlotsToTheirCpus) {
  StartAndJoin();
  const auto start = Start("m", {1}, {"facts facts"});
  coordinator_.Next<AttemptExited>();
  std::vector<int> cpus = options_.inventory.CpusOf(1);
  if (cpus.empty()) cpus = options_.inventory.cpus;
  EXPECT_THAT(Read(start.task.folder / "facts"), HasSubstr(fmt::format("cpus: {}\n", fmt::join(cpus, " "))));
}

TEST_F(AgentTest, HoldsBackALineUntilItIsWhole) {
  StartAndJoin();
  const std::string text = kStarted;
  const auto start =
      Start("m", {0}, {"half " + text.substr(0, 20), "pid written", "await go", "say " + text.substr(20)});
  Pids(start.task.folder / "written", 1);
  // Several looks for events later.
  coordinator_.Next<Heartbeat>();
  coordinator_.Next<Heartbeat>();
  EXPECT_THAT(coordinator_.Heard<AttemptEvent>(), IsEmpty());
  Touch(start.task.folder / "go");
  EXPECT_EQ(coordinator_.Next<AttemptEvent>().sequence, static_cast<int64_t>(text.size()) + 1);
}

TEST_F(AgentTest, LeavesOutALineThatDeathCutShort) {
  StartAndJoin();
  Start("m", {0}, {std::string("say ") + kStarted, "half {\"event\":\"fin", "die 9"});
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
  EXPECT_THAT(coordinator_.Heard<AttemptEvent>(), SizeIs(1));
}

TEST_F(AgentTest, LeavesOutWhatIsNoEvent) {
  StartAndJoin();
  Start("m", {0}, {"say nonsense", "say {\"event\":\"unheard of\"}", std::string("say ") + kFinished});
  EXPECT_TRUE(Is<protocol::Finished>(coordinator_.Next<AttemptEvent>()));
  coordinator_.Next<AttemptExited>();
  EXPECT_THAT(coordinator_.Heard<AttemptEvent>(), SizeIs(1));
}

TEST_F(AgentTest, TellsEveryEventBeforeTheExit) {
  StartAndJoin();
  std::vector<std::string> script(300, std::string("say ") + kStarted);
  Start("m", {0}, script);
  coordinator_.Next<AttemptExited>();
  EXPECT_THAT(coordinator_.Heard<AttemptEvent>(), SizeIs(300));
}

TEST_F(AgentTest, TellsExitCodesAndSignals) {
  StartAndJoin();
  Start("stopped", {0}, {"exit 75"});
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
  Start("killed", {0}, {"print last words", "die 15"});
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, 128 + SIGTERM);
  EXPECT_EQ(exited.last_log_lines, "last words\n");
}

TEST_F(AgentTest, BoundsTheLogOfATrainerThatFloodsIt) {
  options_.log_limit_bytes = 100'000;
  StartAndJoin();
  const auto start = Start("m", {0}, {"flood 3000000", "print the end"});
  EXPECT_THAT(coordinator_.Next<AttemptExited>().last_log_lines, ::testing::EndsWith("the end\n"));
  EXPECT_LT(std::filesystem::file_size(start.task.folder / "log.txt"), 101'000u);
}

// ---- starts that must not happen ----

TEST_F(AgentTest, StartsAnAttemptOnceHoweverOftenItIsTold) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"pid pids", "await go"});
  coordinator_.Say(start);
  coordinator_.Say(start);
  coordinator_.Next<AttemptStarted>();
  coordinator_.Next<AttemptStarted>();
  coordinator_.Next<AttemptStarted>();
  Touch(start.task.folder / "go");
  coordinator_.Next<AttemptExited>();
  coordinator_.Say(start);
  coordinator_.Next<AttemptExited>();
  EXPECT_THAT(Pids(start.task.folder / "pids", 1), SizeIs(1));
}

TEST_F(AgentTest, DoesNotObeyALowerGeneration) {
  StartAndJoin();
  const auto stale = Scripted("stale", {0}, {"pid pids"});
  coordinator_.SayAs(Generation{4}, stale);
  const auto start = Start("m", {0}, {});
  EXPECT_EQ(coordinator_.Next<AttemptExited>().attempt, start.attempt);
  EXPECT_FALSE(std::filesystem::exists(stale.task.folder / "pids"));
  EXPECT_EQ(coordinator_.heard().back().generation, Generation{5});
}

TEST_F(AgentTest, RefusesASlotThatIsStillHeld) {
  StartAndJoin();
  Start("first", {0}, {"await go"});
  coordinator_.Next<AttemptStarted>();
  const auto second = Start("second", {0}, {});
  const auto failed = coordinator_.Next<AttemptFailedToStart>();
  EXPECT_EQ(failed.attempt, second.attempt);
  EXPECT_THAT(failed.error, HasSubstr("still held by digits-1/first/attempt-1"));
}

TEST_F(AgentTest, RefusesSlotsThatItDoesNotHave) {
  StartAndJoin();
  Start("m", {7}, {});
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("none is number 7"));
}

TEST_F(AgentTest, RefusesAGangThatReachesToOtherWorkers) {
  StartAndJoin();
  auto start = Scripted("m", {0}, {});
  start.gang.push_back({WorkerId("n2"), 0});
  coordinator_.Say(start);
  EXPECT_EQ(coordinator_.Next<AttemptFailedToStart>().attempt, start.attempt);
  EXPECT_THAT(coordinator_.Next<SlotsFree>().slots, ElementsAre(0));
}

TEST_F(AgentTest, RefusesAnAttemptThatRanBefore) {
  StartAndJoin();
  const auto start = Scripted("m", {0}, {"pid pids"});
  std::ofstream(start.task.events) << kStarted << "\n";
  coordinator_.Say(start);
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("started before"));
  EXPECT_FALSE(std::filesystem::exists(start.task.folder / "pids"));
}

TEST_F(AgentTest, TellsWhyATrainerCannotBeStartedAndFreesItsSlots) {
  options_.trainer = "/nowhere/tutti-trainer";
  StartAndJoin();
  const auto start = Start("m", {1}, {});
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("/nowhere/tutti-trainer"));
  const auto free = coordinator_.Next<SlotsFree>();
  EXPECT_EQ(free.attempt, start.attempt);
  EXPECT_THAT(free.slots, ElementsAre(1));
}

// Each start needs several: whichever is the first that is not there, the agent lives on.
TEST_F(AgentTest, OutlivesAStartForWhichThereAreNoDescriptorsLeft) {
  StartAndJoin();
  rlimit usual = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  bool started = false;
  for (int left = 0; !started; ++left) {
    ASSERT_LT(left, 64);
    const auto start = Scripted(fmt::format("m{}", left), {0}, {});
    const int first_free = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(first_free);
    rlimit tight = usual;
    tight.rlim_cur = static_cast<rlim_t>(first_free + left);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    coordinator_.Say(start);
    EXPECT_TRUE(coordinator_.Until([&] {
      started = !coordinator_.Heard<AttemptStarted>().empty();
      return started || coordinator_.Heard<AttemptFailedToStart>().size() > static_cast<size_t>(left);
    }));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  }
  coordinator_.Next<AttemptExited>();
}

TEST_F(AgentTest, EndsItsTrainersAndSaysWhyWhenItFails) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"deaf", "pid pids", "await never"});
  const auto pids = Pids(start.task.folder / "pids", 1);
  agent_->post()([] { throw std::bad_alloc(); });
  EXPECT_TRUE(coordinator_.Until([&] { return coordinator_.closed() && !Runs(pids[0]); }));
  const auto stopped = agent_->WaitStopped(FakeCoordinator::kPatience);
  ASSERT_FALSE(stopped);
  EXPECT_THAT(stopped.error().message, HasSubstr("the worker n1 has failed"));
  EXPECT_TRUE(agent_->failure());
}

TEST_F(AgentTest, FreesGrantedSlotsWhenTheAttemptIsStoppedBeforeItsStart) {
  StartAndJoin();
  const AttemptId attempt = TaskIn(options_.home, "m", 1).attempt;
  coordinator_.Say(protocol::GrantSlots{attempt, {1}, {0}});
  Stop(attempt, StopReason::kRequested);
  EXPECT_EQ(coordinator_.Next<AttemptFailedToStart>().attempt, attempt);
  EXPECT_THAT(coordinator_.Next<SlotsFree>().slots, ElementsAre(1));
}

// ---- stopping ----

TEST_F(AgentTest, AsksForACheckpoint) {
  StartAndJoin();
  const auto start = Start(
      "m", {0}, {"listen", std::string("say ") + kStarted, "await-signal", std::string("say ") + kStopped, "exit 75"});
  coordinator_.Next<AttemptEvent>();
  Stop(start.attempt, StopReason::kRequested);
  EXPECT_TRUE(Is<protocol::StoppedEarly>(coordinator_.Next<AttemptEvent>()));
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
}

// A trainer needs a moment before it takes signals: neither may the request kill it nor be lost.
TEST_F(AgentTest, AsksAgainWhenTheTrainerDidNotListenYet) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"await go", "listen", std::string("say ") + kStarted, "await-signal", "exit 75"});
  coordinator_.Next<AttemptStarted>();
  Stop(start.attempt, StopReason::kPreempted);
  coordinator_.Next<Heartbeat>();
  Touch(start.task.folder / "go");
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
}

TEST_F(AgentTest, KillsATrainerThatIgnoresARequest) {
  options_.checkpoint_deadline = std::chrono::milliseconds(50);
  StartAndJoin();
  const auto start = Start("m", {0}, {"deaf", std::string("say ") + kStarted, "await never"});
  coordinator_.Next<AttemptEvent>();
  Stop(start.attempt, StopReason::kRequested);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
}

TEST_F(AgentTest, KillsACancelledAttemptAtOnceWithAllThatItStarted) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"deaf", "child pids", "pid pids", "await never"});
  const auto pids = Pids(start.task.folder / "pids", 2);
  Stop(start.attempt, StopReason::kCancelled);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
  coordinator_.Next<SlotsFree>();
  for (const pid_t pid : pids) EXPECT_FALSE(Runs(pid)) << "its slots were called free too early";
}

TEST_F(AgentTest, EndsWhatATrainerLeavesBehind) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"child pids", "exit 0"});
  const auto pids = Pids(start.task.folder / "pids", 1);
  coordinator_.Next<SlotsFree>();
  EXPECT_FALSE(Runs(pids[0]));
}

TEST_F(AgentTest, EndsAnInspectionAtOnceSinceItHasNothingToKeep) {
  StartAndJoin();
  auto start = Scripted(".inspect", {0}, {"deaf", "await never"});
  start.task.kind = JobKind::kInspect;
  start.task.member.reset();
  coordinator_.Say(start);
  coordinator_.Next<AttemptStarted>();
  Stop(start.attempt, StopReason::kRequested);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
}

TEST_F(AgentTest, StopsAllOnRequest) {
  StartAndJoin();
  for (const char* job : {"a", "b"}) {
    Start(job, {job[0] - 'a'}, {"listen", std::string("say ") + kStarted, "await-signal", "exit 75"});
    coordinator_.Next<AttemptEvent>();
  }
  EXPECT_FALSE(agent_->WaitStopped(Duration(0)));
  agent_->RequestStop();
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
  EXPECT_TRUE(agent_->WaitStopped(FakeCoordinator::kPatience));
  Start("late", {0}, {});
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("leaving"));
}

TEST_F(AgentTest, StopsAllWhenTheCoordinatorLeaves) {
  StartAndJoin();
  Start("m", {0}, {"listen", std::string("say ") + kStarted, "await-signal", "exit 75"});
  coordinator_.Next<AttemptEvent>();
  coordinator_.Say(protocol::Leave{});
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 75);
  EXPECT_TRUE(agent_->WaitStopped(FakeCoordinator::kPatience));
}

TEST_F(AgentTest, KillsAll) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"deaf", "pid pids", "await never"});
  const auto pids = Pids(start.task.folder / "pids", 1);
  agent_->KillAll();
  EXPECT_TRUE(agent_->WaitStopped(FakeCoordinator::kPatience));
  EXPECT_FALSE(Runs(pids[0]));
}

TEST_F(AgentTest, TakesItsTrainersWithIt) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"deaf", "pid pids", "await never"});
  const auto pids = Pids(start.task.folder / "pids", 1);
  agent_.reset();
  EXPECT_FALSE(Runs(pids[0]));
  EXPECT_TRUE(std::filesystem::is_empty(options_.runtime_folder));
}

// ---- a coordinator that was away ----

TEST_F(AgentTest, GoesOnFromWhatWasAcknowledged) {
  StartAgent();
  const Incarnation incarnation = Join().incarnation;
  const auto start = Start(
      "m", {1},
      {std::string("say ") + kStarted, std::string("say ") + kStopped, "await go", std::string("say ") + kFinished});
  const auto first = coordinator_.Next<AttemptEvent>();
  const auto second = coordinator_.Next<AttemptEvent>();
  coordinator_.Say(protocol::Acknowledge{start.attempt, first.sequence});
  coordinator_.Close();

  const auto hello = Join();
  EXPECT_EQ(hello.incarnation, incarnation);
  EXPECT_EQ(hello.obeyed, Generation{5});
  ASSERT_THAT(hello.running, SizeIs(1));
  EXPECT_EQ(hello.running[0].attempt, start.attempt);
  EXPECT_TRUE(hello.running[0].leader);
  EXPECT_THAT(hello.running[0].slots, ElementsAre(1));
  EXPECT_EQ(coordinator_.Next<AttemptEvent>().sequence, second.sequence);
  Touch(start.task.folder / "go");
  coordinator_.Next<AttemptExited>();
  EXPECT_THAT(coordinator_.Heard<AttemptEvent>(), SizeIs(2));
}

TEST_F(AgentTest, TellsHowAnAttemptEndedWhileNobodyListened) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"pid pids", "await go", std::string("say ") + kFinished});
  const auto pids = Pids(start.task.folder / "pids", 1);
  coordinator_.Close();
  Touch(start.task.folder / "go");
  ASSERT_TRUE(coordinator_.Until([&] { return !Runs(pids[0]); }));

  EXPECT_THAT(Join().running, SizeIs(1));
  coordinator_.Next<AttemptStarted>();
  EXPECT_TRUE(Is<protocol::Finished>(coordinator_.Next<AttemptEvent>()));
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 0);
  EXPECT_THAT(coordinator_.Next<SlotsFree>().slots, ElementsAre(0));
}

TEST_F(AgentTest, ForgetsAnEndedAttemptThatTheCoordinatorCallsStale) {
  StartAndJoin();
  const auto start = Start("m", {0}, {});
  coordinator_.Next<SlotsFree>();
  Stop(start.attempt, StopReason::kStale);
  coordinator_.Close();
  EXPECT_THAT(Join().running, IsEmpty());
}

TEST_F(AgentTest, KillsAStaleAttempt) {
  StartAndJoin();
  const auto start = Start("m", {0}, {"deaf", "await never"});
  coordinator_.Next<AttemptStarted>();
  Stop(start.attempt, StopReason::kStale);
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 128 + SIGKILL);
}

TEST_F(AgentTest, ThatIsAskedToStopSaysThatItLeavesOnceAndAgainToWhoeverWelcomesIt) {
  StartAndJoin();
  agent_->RequestStop();
  coordinator_.Next<protocol::Leaving>();
  agent_->RequestStop();
  Join();
  coordinator_.Next<protocol::Leaving>();
  EXPECT_EQ(coordinator_.Heard<protocol::Leaving>().size(), 1u);
}

}  // namespace
}  // namespace tutti::worker
