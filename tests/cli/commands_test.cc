// Commands on a home that holds an ensemble, with a coordinator that serves it and without.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>

#include "cli/client.h"
#include "common/protocol/channel.h"
#include "common/spec/parse.h"
#include "coordinator/server/coordinator.h"
#include "storage/catalog/catalog.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "tests/cli/testing.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CommandsTest : public testing::Test {
 protected:
  void Serve() {
    server::CoordinatorOptions options;
    options.home = folder_.path();
    coordinator_ = server::Coordinator::Start(std::move(options)).value();
  }
  // As `tutti coordinator` does; its address.
  std::string ServeOnTcp() {
    server::CoordinatorOptions options;
    options.home = folder_.path();
    options.listen = network::Address::Parse("127.0.0.1:0").value();
    coordinator_ = server::Coordinator::Start(std::move(options)).value();
    return coordinator_->address()->Text();
  }
  // "small-1", which nobody trains.
  void Submit() {
    Serve();
    SubmitAnother();
  }
  void SubmitAnother() {
    spec::ParseInput input;
    input.text = experiment_;
    input.file_name = "a.yaml";
    input.base_folder = folder_.path();
    const Json experiment = spec::ToJson(spec::Parse(input).value());
    const auto submitted =
        Client(folder_.path()).Submit({.experiment = experiment, .again = Client::Again::kStartAnother});
    ASSERT_TRUE(submitted) << submitted.error().Text();
  }
  void Leave() { coordinator_.reset(); }

  // As if the ensemble's members had been tried once, and the ensemble had ended so.
  void EndAs(EnsembleState state, JobState jobs) {
    Submit();
    Leave();
    storage::Catalog catalog = storage::Catalog::Open(PosixFileSystem(), folder_.path()).value();
    Records records = catalog.Load().value();
    std::vector<storage::Change> changes;
    for (EnsembleRecord& ensemble : records.ensembles) {
      ensemble.state = state;
      if (state != EnsembleState::kRunning) ensemble.ended_at = ensemble.submitted_at;
      ensemble.split_drawn = true;
      changes.emplace_back(Record(ensemble));
    }
    for (JobRecord& job : records.jobs) {
      job.state = jobs;
      job.attempts = 1;
      changes.emplace_back(Record(job));
    }
    ASSERT_TRUE(catalog.Commit(changes));
  }

  std::string WriteExperiment() { return folder_.Write("a.yaml", experiment_).string(); }

  void WriteLog(const std::string& text) {
    const std::filesystem::path folder =
        folder_.path() / "small-1" / storage::AttemptFolder({{EnsembleId("small-1"), "lenet5-s0"}, 1});
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "log.txt") << text;
  }

  Outcome Run(const std::string& command) {
    return RunProgram(fmt::format("{} --home {} 2>&1", command, folder_.path().string()));
  }

  int Generations() const {
    return static_cast<int>(std::distance(std::filesystem::directory_iterator(folder_.path() / "catalog"),
                                          std::filesystem::directory_iterator()));
  }

  TemporaryFolder folder_;
  std::string experiment_ = kExperiment;
  std::unique_ptr<server::Coordinator> coordinator_;
};

TEST_F(CommandsTest, LogsPrintsALongLogToItsEndWhoeverKnowsIt) {
  EndAs(EnsembleState::kCancelled, JobState::kCancelled);
  std::string text;
  for (int line = 0; text.size() < 5 * 512 * 1024; ++line) text += fmt::format("line {}\n", line);
  WriteLog(text);
  EXPECT_TRUE(Run("logs small-1/lenet5-s0").output == text);
  Serve();
  EXPECT_TRUE(Run("logs small-1/lenet5-s0").output == text);
  EXPECT_TRUE(Run("logs -f small-1/lenet5-s0").output == text);
}

TEST_F(CommandsTest, LogsOfATrainerThatSaidNothingAreEmpty) {
  EndAs(EnsembleState::kCancelled, JobState::kCancelled);
  for (const char* by : {"catalog", "coordinator"}) {
    const Outcome outcome = Run("logs small-1/lenet5-s0");
    EXPECT_EQ(outcome.exit_code, 0) << by;
    EXPECT_THAT(outcome.output, IsEmpty()) << by;
    if (!coordinator_) Serve();
  }
}

TEST_F(CommandsTest, RmReturnsOnceTheFilesOfAllAreDeleted) {
  Serve();
  for (const char* id : {"small-1", "small-2", "small-3"}) {
    SubmitAnother();
    ASSERT_TRUE(Client(folder_.path()).Cancel(id));
    for (int i = 0; i < 2000; ++i) std::ofstream(folder_.path() / id / "members" / std::to_string(i));
  }
  Leave();
  EXPECT_EQ(Run("rm small-1 small-2 small-3").output,
            "small-1 is removed.\nsmall-2 is removed.\nsmall-3 is removed.\n");
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("small-")));
  }
}

TEST_F(CommandsTest, RmRemovesWhatIsThereThoughSomethingIsNot) {
  Serve();
  for (int i = 0; i < 3; ++i) SubmitAnother();
  for (const char* id : {"small-1", "small-3"}) ASSERT_TRUE(Client(folder_.path()).Cancel(id));
  const Outcome missing = Run("rm small-7 small-1");
  EXPECT_EQ(missing.exit_code, 6);
  EXPECT_THAT(missing.output, HasSubstr("small-7"));
  EXPECT_THAT(missing.output, HasSubstr("small-1 is removed.\n"));
  const Outcome running = Run("rm small-2 small-8 small-3");
  EXPECT_EQ(running.exit_code, 1) << "what is there and stays is worse than what is not there";
  EXPECT_THAT(running.output, HasSubstr("`tutti cancel small-2` ends it first"));
  EXPECT_THAT(running.output, HasSubstr("small-3 is removed.\n"));
}

TEST_F(CommandsTest, RunWhereAServiceHasTheHomeNamesTheCommandForIt) {
  ServeOnTcp();
  const Outcome outcome = Run("run " + WriteExperiment());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output,
              HasSubstr(fmt::format("tutti submit {} --home {}", WriteExperiment(), folder_.path().string())));
}

TEST_F(CommandsTest, TheHomeOfTheCoordinatorAtAnAddressTellsTokenAndFingerprint) {
  const std::string address = ServeOnTcp();
  const Outcome listed = Run("list --server " + address);
  EXPECT_EQ(listed.exit_code, 0) << listed.output;
}

TEST_F(CommandsTest, WhoSpeaksNoTlsWhereItIsSpokenIsToldTheAddress) {
  const std::string address = ServeOnTcp();
  const std::string authority = address.substr(std::string("https://").size());
  const auto token = (folder_.path() / "access/operator.token").string();
  const Outcome outcome = Run(fmt::format("list --server http://{} --token-file {}", authority, token));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.output, HasSubstr("its address is " + address));
}

TEST_F(CommandsTest, DrainOfWhatNoWorkerCanBeCalledAsksNobody) {
  for (const char* name : {"''", "../x", "a/b"}) {
    const Outcome outcome = Run(fmt::format("drain {}", name));
    EXPECT_EQ(outcome.exit_code, 2) << name;
    EXPECT_THAT(outcome.output, HasSubstr("cannot be the name of a worker")) << name;
  }
}

TEST_F(CommandsTest, DrainOfAWorkerThatIsNotThereNamesThoseThatAre) {
  Serve();
  EXPECT_THAT(Run("drain n7").output, HasSubstr("there is no worker n7; none is connected"));
  auto [coordinators_end, workers_end] = protocol::MakeLocalChannel(coordinator_->post(), coordinator_->post());
  coordinator_->AttachWorker(std::move(coordinators_end));
  protocol::Hello hello;
  hello.worker = WorkerId("n1");
  hello.incarnation = Incarnation{1};
  hello.slots = 1;
  workers_end->Send(protocol::Encode(protocol::FromWorkerMessage{Generation{}, hello.incarnation, hello}));
  bool joined = false;
  for (int tries = 0; tries < 100 && !joined; ++tries) joined = Run("workers --quiet").output == "n1\n";
  ASSERT_TRUE(joined);
  const Outcome outcome = Run("drain n7");
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.output, HasSubstr("there is no worker n7; there are: n1"));
}

TEST_F(CommandsTest, LogsOfSomethingThatIsNotThereAreNotWaitedFor) {
  Submit();
  EXPECT_EQ(Run("logs -f small-1/nobody").exit_code, 6);
}

TEST_F(CommandsTest, ADamagedGenerationIsSaidOnceAndTheOneBeforeIsShown) {
  Submit();
  Leave();
  Serve();
  Leave();
  folder_.Write("catalog/0002/catalog.db", std::string(4096, 'x'));
  for (const char* command : {"list", "show small-1", "logs small-1/lenet5-s0", "why small-1/lenet5-s0"}) {
    SCOPED_TRACE(command);
    const std::string output = Run(command).output;
    const size_t said = output.find("tutti: generation 2 of the catalog is damaged and was passed over");
    ASSERT_NE(said, std::string::npos) << output;
    EXPECT_EQ(output.find("generation 2", said + 16), std::string::npos) << output;
  }
  EXPECT_TRUE(ParseJson(RunProgram(fmt::format("list -o json --home {} 2>/dev/null", folder_.path().string())).output));
}

TEST_F(CommandsTest, WhatIsToldToGoOnWithNamesTheHomeThatTheOptionNamed) {
  EndAs(EnsembleState::kStopped, JobState::kStopped);
  const std::string resume = "tutti resume small-1 --home " + folder_.path().string();
  for (const char* command : {"list", "show", "why small-1/lenet5-s0"}) {
    EXPECT_THAT(Run(command).output, HasSubstr(resume)) << command;
  }
  setenv("TUTTI_HOME", folder_.path().c_str(), 1);
  EXPECT_THAT(RunProgram("show 2>&1").output, HasSubstr("\nGo on with: tutti resume small-1\n"));
  unsetenv("TUTTI_HOME");
}

TEST_F(CommandsTest, WhatAGoneProcessWasCombiningIsStoppedForEveryCommand) {
  EndAs(EnsembleState::kRunning, JobState::kFinished);
  EXPECT_THAT(Run("list").output, HasSubstr("stopped"));
  EXPECT_EQ(Run("rm small-1").output, "small-1 is removed.\n");
}

TEST_F(CommandsTest, CancelSaysWhichEnsembleWasTheLast) {
  Submit();
  const Outcome outcome = Run("cancel last");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, fmt::format("small-1 is cancelled; `tutti resume small-1 --home {}` would go on with it.\n",
                                        folder_.path().string()));
}

TEST_F(CommandsTest, FsckLeavesAHomeAloneInWhichSomebodyTrains) {
  Submit();
  const Outcome outcome = Run("fsck");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr(fmt::format("process {}", getpid())));
  Leave();
  EXPECT_EQ(Run("fsck").exit_code, 0);
}

TEST_F(CommandsTest, ARebuildThatLeavesSomethingOutFails) {
  Submit();
  Leave();
  EXPECT_EQ(Run("fsck --rebuild").exit_code, 0);
  std::filesystem::create_directories(folder_.path() / "broken-1");
  folder_.Write("broken-1/resolved.json", "{");
  const Outcome outcome = Run("fsck --rebuild");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("broken-1/resolved.json"));
  EXPECT_THAT(outcome.output, HasSubstr("ensembles: 1"));
}

TEST_F(CommandsTest, WhatHasFinishedIsShownWithoutACoordinatorOfItsOwn) {
  EndAs(EnsembleState::kFinished, JobState::kFinished);
  const std::string file = WriteExperiment();
  const int generations = Generations();
  for (const char* by : {"catalog", "coordinator"}) {
    SCOPED_TRACE(by);
    const Outcome resumed = Run("resume small-1");
    EXPECT_EQ(resumed.exit_code, 0);
    EXPECT_THAT(resumed.output, HasSubstr("small-1 has finished already.\nsmall-1: finished"));
    EXPECT_THAT(resumed.output, Not(HasSubstr("goes on")));
    EXPECT_EQ(Run("resume small-1 --slots 1 -q").output, "small-1\n");
    const Outcome run = Run("run " + file);
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.output, HasSubstr("small-1 has trained this experiment already"));
    EXPECT_TRUE(ParseJson(Run("run -o json " + file).output));
    if (coordinator_) break;
    EXPECT_EQ(Generations(), generations);
    Serve();
  }
}

TEST_F(CommandsTest, ResumeInAServedHomeHonoursHowToAnswerAndRefusesSlots) {
  Submit();
  EXPECT_THAT(Run("resume small-1").output, HasSubstr("small-1 goes on in the coordinator of"));
  EXPECT_EQ(Run("resume small-1 -q").output, "small-1\n");
  const auto json = ParseJson(Run("resume small-1 -o json").output);
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["state"], "running");
  for (const char* option : {"--slots 1", "--threads-per-slot 1"}) {
    const Outcome refused = Run(std::string("resume small-1 ") + option);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.output, HasSubstr("--slots"));
  }
}

TEST_F(CommandsTest, ResumeRefusesAGangThatCanNeverFit) {
  experiment_.replace(experiment_.find("seeds: 2"), 8, "seeds: 1, slots: 64");
  Submit();
  Leave();
  const Outcome outcome = Run("resume small-1 --slots 2");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("lenet5-s0 needs 64 slots at once and this machine lends 2"));
}

TEST(Run, WithoutATrainerIsRefusedBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  const auto program = folder.path() / "tutti";
  std::filesystem::copy_file(TUTTI_PROGRAM, program);
  const auto file = folder.Write("a.yaml", kExperiment);
  const auto home = folder.path() / "runs";
  const Outcome outcome = RunProgram(
      fmt::format("--version >/dev/null && {} run {} --home {} 2>&1", program.string(), file.string(), home.string()));
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.output, HasSubstr("tutti-trainer is missing"));
  EXPECT_FALSE(std::filesystem::exists(home));
}

}  // namespace
}  // namespace tutti::cli
