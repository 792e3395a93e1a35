// An agent whose home is not the coordinator's: what is told when, and what travels. The files themselves:
// tests/worker/transfer.
#include "worker/agent/attempt_transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/checkpoints/checkpoint_store.h"
#include "tests/storage/checkpoints.h"
#include "tests/worker/agent/agent_fixture.h"
#include "tests/worker/transfer/storehouse.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;
using protocol::AttemptEvent;
using protocol::AttemptExited;
using protocol::AttemptFailedToStart;
using protocol::AttemptStarted;
using protocol::CheckpointWritten;
using protocol::SlotsFree;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Error kFull{ErrorCode::kNoSpace, "the coordinator's disk is full", nullptr};
const std::vector<Error> kFullForLong(100000, kFull);

class CarryTest : public AgentTest {
 protected:
  CarryTest() {
    CarryOptions carry;
    carry.coordinator = storehouse_.peer();
    carry.home = own_;
    carry.first_backoff = std::chrono::milliseconds(2);
    carry.longest_backoff = std::chrono::milliseconds(10);
    options_.home = own_.home;
    options_.carry = carry;
    fs::create_directories(own_.home);
    storehouse_.Offer("split.safetensors", "the split");
  }
  ~CarryTest() override { agent_.reset(); }  // before the storehouse

  // The coordinator's words; what the script names lies where the agent puts the attempt.
  protocol::StartAttempt Prepare(const std::string& job, const std::vector<std::string>& script) {
    const fs::path own = std::exchange(options_.home, folder_ / "home");
    auto start = Scripted(job, {0}, {});
    options_.home = own;
    moved_ = own_.Moved(start.task);
    fs::create_directories(moved_.folder);
    std::ofstream file(moved_.folder / "script");
    for (const std::string& line : script) file << line << "\n";
    return start;
  }
  // A line of a script, and the checkpoint that it tells of.
  std::string Checkpoint(const std::string& job, int64_t step) {
    const protocol::Task task = own_.Moved(TaskIn(folder_ / "home", job, 1));
    storage::CheckpointStore store(PosixFileSystem(), task.ensemble_folder);
    const auto found = storage::WriteCheckpoint(store, task.attempt, step).value();
    CheckpointWritten written;
    written.step = step;
    written.folder = found.folder.lexically_relative(task.ensemble_folder).string();
    written.manifest_hash = found.manifest_hash;
    return "say " + protocol::ToJson(written).dump();
  }
  static std::string Say(const char* json) { return std::string("say ") + json; }
  std::vector<int64_t> StepsTold() {
    std::vector<int64_t> steps;
    for (const auto& told : coordinator_.Heard<AttemptEvent>()) {
      if (const auto* written = std::get_if<CheckpointWritten>(&told.event)) steps.push_back(written->step);
    }
    return steps;
  }
  bool WasTold(int64_t step) {
    return coordinator_.Until([&] { return std::ranges::count(StepsTold(), step) > 0; });
  }
  bool WasAskedFor(const std::string& method_and_file) {
    return coordinator_.Until([&] {
      return std::ranges::any_of(storehouse_.log(),
                                 [&](const std::string& line) { return line.starts_with(method_and_file); });
    });
  }

  const ScratchHome own_{folder_ / "own/homes/n1", folder_ / "own/cache"};
  Storehouse storehouse_{folder_ / "storehouse"};
  protocol::Task moved_;
};

TEST_F(CarryTest, TrainerStartsOnceItsInputsHaveCome) {
  storehouse_.Refuse("GET", {kFull, kFull});
  StartAndJoin();
  const auto start = Prepare("m", {Say(kStarted), Say(kFinished)});
  coordinator_.Say(start);
  coordinator_.Next<AttemptStarted>();
  EXPECT_EQ(Read(moved_.split), "the split");
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 0);
  EXPECT_EQ(coordinator_.Next<SlotsFree>().slots, std::vector<int>{0});
  EXPECT_FALSE(fs::exists(start.task.folder / "events.jsonl")) << "the coordinator's home is not in sight";
}

TEST_F(CarryTest, InputsThatDoNotComeAreAFailedStart) {
  options_.carry->fetch_deadline = std::chrono::milliseconds(50);
  storehouse_.Refuse("GET", kFullForLong);
  StartAndJoin();
  coordinator_.Say(Prepare("m", {}));
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("disk is full"));
  EXPECT_EQ(coordinator_.Next<SlotsFree>().slots, std::vector<int>{0});
  EXPECT_THAT(coordinator_.Heard<AttemptStarted>(), IsEmpty());
}

TEST_F(CarryTest, DiskOfItsOwnThatIsFullIsToldWithWhatHelps) {
  const std::string full = fmt::format("cannot write {}/m.tmp: No space left on device", own_.home.string());
  const std::string helps = fmt::format("own folder {} is full: make room, or start it with --scratch DIR",
                                        own_.cache.parent_path().string());
  StartAndJoin();
  coordinator_.Say(
      Prepare("m", {"say " + protocol::ToJson(protocol::Failed{full}).dump(), "print " + full, "exit 74"}));
  const auto told = coordinator_.Next<AttemptEvent>();
  EXPECT_THAT(std::get<protocol::Failed>(told.event).error, HasSubstr(helps));
  EXPECT_THAT(coordinator_.Next<AttemptExited>().last_log_lines, HasSubstr(helps));
  coordinator_.Next<SlotsFree>();
  coordinator_.Say(Prepare("other", {"print cannot write /elsewhere: No space left on device", "exit 74"}));
  EXPECT_THAT(coordinator_.Next<AttemptExited>().last_log_lines, Not(HasSubstr("--scratch")));
}

TEST_F(CarryTest, AttemptThatIsStoppedBeforeItsInputsComeIsNotStarted) {
  storehouse_.Refuse("GET", kFullForLong);
  StartAndJoin();
  const auto start = Prepare("m", {});
  coordinator_.Say(start);
  ASSERT_TRUE(WasAskedFor("GET"));
  Stop(start.attempt, protocol::StopReason::kRequested);
  EXPECT_THAT(coordinator_.Next<AttemptFailedToStart>().error, HasSubstr("stopped before"));
  coordinator_.Next<SlotsFree>();
}

TEST_F(CarryTest, CheckpointIsToldOnceItIsAtTheCoordinator) {
  storehouse_.Refuse("POST", {kFull, kFull, kFull});
  StartAndJoin();
  coordinator_.Say(Prepare("m", {Say(kStarted), Checkpoint("m", 3), Say(kFinished)}));
  ASSERT_TRUE(WasTold(3));
  const auto order = storehouse_.order();
  const auto manifest = std::ranges::find(order, "step-00000003/manifest.json");
  ASSERT_NE(manifest, order.end());
  EXPECT_NE(std::find(manifest, order.end(), "events.jsonl"), order.end()) << "what tells of it comes after it";
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 0);
  EXPECT_EQ(storehouse_.complete()["events.jsonl"], Read(moved_.events)) << "byte for byte";
  EXPECT_TRUE(storehouse_.complete().contains("log.txt"));
}

TEST_F(CarryTest, LogGrowsAtTheCoordinatorWhileTheTrainerWrites) {
  StartAndJoin();
  coordinator_.Say(Prepare("m", {Say(kStarted), "print one", "await go", "print two", Say(kFinished)}));
  EXPECT_TRUE(coordinator_.Until([&] { return storehouse_.complete()["log.txt"] == "one\n"; }));
  Touch(moved_.folder / "go");
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 0);
  EXPECT_TRUE(coordinator_.Until([&] { return storehouse_.complete()["log.txt"] == "one\ntwo\n"; }));
}

TEST_F(CarryTest, TrainerGoesOnWhileTheCoordinatorsDiskIsFull) {
  storehouse_.Refuse("POST", kFullForLong);
  StartAndJoin();
  coordinator_.Say(Prepare("m", {Say(kStarted), Checkpoint("m", 3), "pid went-on", "await go", Say(kFinished)}));
  Pids(moved_.folder / "went-on", 1);
  ASSERT_TRUE(WasAskedFor("POST step-00000003/model.safetensors"));
  EXPECT_THAT(StepsTold(), IsEmpty());
  storehouse_.Refuse("POST", {});
  EXPECT_TRUE(WasTold(3));
  Touch(moved_.folder / "go");
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 0);
}

TEST_F(CarryTest, CheckpointThatANewerOneHasOvertakenIsPassedOver) {
  storehouse_.Refuse("POST", kFullForLong);
  StartAndJoin();
  const std::vector<std::string> steps = {Checkpoint("m", 1), Checkpoint("m", 2), Checkpoint("m", 3)};
  coordinator_.Say(Prepare("m", {Say(kStarted), steps[0], steps[1], steps[2], "pid went-on", "await go"}));
  Pids(moved_.folder / "went-on", 1);
  ASSERT_TRUE(WasAskedFor("GET step-00000003"));
  storehouse_.Refuse("POST", {});
  ASSERT_TRUE(WasTold(3));
  EXPECT_THAT(StepsTold(), ElementsAre(3));
  storage::CheckpointStore store(PosixFileSystem(), moved_.ensemble_folder);
  EXPECT_THAT(storage::Steps(store.Inspect(moved_.attempt).value()), ElementsAre(3)) << "older ones are not kept";
  Touch(moved_.folder / "go");
  coordinator_.Next<AttemptExited>();
}

TEST_F(CarryTest, WhatHasArrivedIsToldAnewAndNotCarriedAgain) {
  StartAndJoin();
  coordinator_.Say(Prepare("m", {Say(kStarted), Checkpoint("m", 1), Checkpoint("m", 2), "await go", Say(kFinished)}));
  ASSERT_TRUE(WasTold(2));
  const size_t asked = storehouse_.log().size();
  Join();
  ASSERT_TRUE(WasTold(2));
  EXPECT_EQ(storehouse_.log().size(), asked) << "of step 1 nothing is here any more";
  Touch(moved_.folder / "go");
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, 0);
}

TEST_F(CarryTest, FilesThatTheOwnDiskDoesNotGiveEndTheAttemptInWords) {
  StartAndJoin();
  const std::string line = Checkpoint("m", 1);
  fs::remove_all(own_.home / "digits-1/members/m/attempt-1/step-00000001");
  coordinator_.Say(Prepare("m", {Say(kStarted), line, "await never"}));
  const auto exited = coordinator_.Next<AttemptExited>();
  EXPECT_EQ(exited.exit_code, protocol::kExitIo);
  EXPECT_THAT(exited.last_log_lines, HasSubstr("step-00000001"));
  EXPECT_THAT(StepsTold(), IsEmpty());
}

TEST_F(CarryTest, CancelledAttemptWaitsForNoFiles) {
  storehouse_.Refuse("POST", kFullForLong);
  StartAndJoin();
  const auto start = Prepare("m", {Say(kStarted), Checkpoint("m", 1), "await never"});
  coordinator_.Say(start);
  ASSERT_TRUE(WasAskedFor("POST"));
  Stop(start.attempt, protocol::StopReason::kCancelled);
  coordinator_.Next<AttemptExited>();
  coordinator_.Next<SlotsFree>();
  EXPECT_THAT(StepsTold(), IsEmpty());
}

TEST_F(CarryTest, WorkerThatLeavesSendsTheLastCheckpointFirst) {
  storehouse_.Refuse("POST", {kFull, kFull, kFull, kFull});
  StartAndJoin();
  coordinator_.Say(
      Prepare("m", {"listen", Say(kStarted), "await-signal", Checkpoint("m", 3), Say(kStopped), "exit 75"}));
  coordinator_.Next<AttemptStarted>();
  agent_->RequestStop();
  EXPECT_TRUE(WasTold(3));
  EXPECT_EQ(coordinator_.Next<AttemptExited>().exit_code, protocol::kExitStopped);
  EXPECT_TRUE(agent_->WaitStopped(FakeCoordinator::kPatience));
}

}  // namespace
}  // namespace tutti::worker
