// The program's commands, training apart.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>

#include <csignal>

#include "common/json.h"
#include "common/owned_descriptor.h"
#include "tests/worker/trainer/training/trainer_runs.h"

namespace tutti::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using protocol::Failed;

protocol::Task InspectTask(const TrainerRuns& runs) {
  auto task = runs.MakeTask(".inspect");
  task.kind = JobKind::kInspect;
  task.member.reset();
  task.folder = task.ensemble_folder / "inspect";
  task.events = task.folder / "events.jsonl";
  return task;
}

TEST(Program, InspectsASource) {
  const TrainerRuns runs;
  auto task = InspectTask(runs);
  const auto outcome = runs.RunProgram({"inspect", runs.WriteTask(task).string()}, task.events);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto inspected = Of<protocol::Inspected>(outcome.events).at(0);
  EXPECT_EQ(inspected.training_samples, TrainerRuns::kTraining + TrainerRuns::kValidation);
  EXPECT_EQ(inspected.test_samples, TrainerRuns::kTest);
  EXPECT_EQ(inspected.classes, 10);

  auto trained = runs.MakeTask("a");
  trained.data_hash = inspected.data_hash;
  EXPECT_EQ(runs.Run(trained).exit_code, 0) << "what was inspected is what is trained on";

  task.data.path = runs.root() / "nowhere";
  const auto missing = runs.RunProgram({"inspect", runs.WriteTask(task).string()}, task.events);
  EXPECT_EQ(missing.exit_code, protocol::kExitBadData);
  EXPECT_THAT(Of<Failed>(missing.events), SizeIs(1));
}

TEST(Program, EachCommandRefusesTheOthersTask) {
  const TrainerRuns runs;
  const auto training = runs.MakeTask("a");
  const auto inspected = runs.RunProgram({"inspect", runs.WriteTask(training).string()}, training.events);
  EXPECT_EQ(inspected.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(inspected.errors, HasSubstr("is of kind train"));
  const auto inspection = InspectTask(runs);
  const auto trained = runs.RunProgram({"train", runs.WriteTask(inspection).string()}, inspection.events);
  EXPECT_EQ(trained.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(trained.errors, HasSubstr("is of kind inspect"));
}

// There is nothing to save: it is ended as any program is.
TEST(Program, InspectionEndsAtOnceOnSigterm) {
  const TrainerRuns runs;
  auto task = InspectTask(runs);
  ASSERT_EQ(runs.RunProgram({"inspect", runs.WriteTask(task).string()}, task.events).exit_code, 0);
  std::optional<OwnedDescriptor> held;  // what inspection waits for from now on
  for (const auto& entry : std::filesystem::directory_iterator(task.cache)) {
    if (entry.path().extension() == ".source") std::filesystem::remove(entry.path());
    if (entry.path().extension() == ".lock") held.emplace(open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
  }
  ASSERT_TRUE(held && flock(held->get(), LOCK_EX | LOCK_NB) == 0);

  task.events = task.folder / "events-of-the-second.jsonl";
  Launch launch;
  launch.stop_on_events_file = true;
  const auto ended = runs.RunProgram({"inspect", runs.WriteTask(task).string()}, task.events, launch);
  EXPECT_EQ(ended.exit_code, 128 + SIGTERM) << ended.errors;
}

TEST(Program, ExplainsItself) {
  const TrainerRuns runs;
  const auto help = runs.RunProgram({"--help"}, runs.root() / "none");
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, HasSubstr("train TASK.json"));
  EXPECT_THAT(runs.RunProgram({"--version"}, runs.root() / "none").output, HasSubstr("LibTorch"));
  const Json build = ParseJson(runs.RunProgram({"--build"}, runs.root() / "none").output).value();
  EXPECT_EQ(build.at("devices"), Json::array({"cpu"})) << "workers go by it";
  EXPECT_TRUE(build.contains("cuda"));
  const auto wrong = runs.RunProgram({"fly"}, runs.root() / "none");
  EXPECT_EQ(wrong.exit_code, protocol::kExitBadTask);
  EXPECT_THAT(wrong.errors, HasSubstr("Usage"));
}

}  // namespace
}  // namespace tutti::trainer
