// The documents of the API.
#include "coordinator/server/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "ensemble/report.h"
#include "experiments.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using ::testing::HasSubstr;

const EnsembleId kId("trial-1");
constexpr TimePoint kNoon{std::chrono::milliseconds(1'772'366'400'250)};

JobId Member(const std::string& name) { return {kId, name}; }

EnsembleRecord AnEnsemble(const std::string& id, TimePoint submitted_at) {
  EnsembleRecord ensemble;
  ensemble.id = EnsembleId(id);
  ensemble.spec = spec::ToJson(testing::AnExperiment()).dump();
  ensemble.spec_hash = "abc";
  ensemble.submitted_at = submitted_at;
  return ensemble;
}

JobRecord AJob(const std::string& name, int position, JobState state) {
  JobRecord job;
  job.id = Member(name);
  job.position = position;
  job.state = state;
  return job;
}

AttemptRecord AnAttempt(const std::string& name, int number) {
  AttemptRecord attempt;
  attempt.id = {Member(name), number};
  attempt.gang = {{WorkerId("n1"), number}};
  return attempt;
}

EpochRecord AnEpoch(const std::string& name, int attempt, int epoch, double train_loss) {
  EpochRecord record;
  record.attempt = {Member(name), attempt};
  record.epoch = epoch;
  record.step = epoch * 43;
  record.train_loss = train_loss;
  record.validation_loss = train_loss * 2;
  record.images_per_second = 1000;
  record.train_seconds = 2.5;
  return record;
}

Records OneEnsemble() {
  Records records;
  records.ensembles = {AnEnsemble("trial-1", kNoon)};
  JobRecord inspect = AJob(".inspect", 0, JobState::kFinished);
  inspect.kind = JobKind::kInspect;
  records.jobs = {inspect, AJob("mlp-s0", 1, JobState::kFinished), AJob("mlp-s1", 2, JobState::kFailed),
                  AJob("mlp-s2", 3, JobState::kWaiting)};
  records.jobs[3].reason = "as stored";
  return records;
}

TEST(EnsembleView, SaysWhatItIsAndHowFarItIs) {
  const Json view = EnsembleView(OneEnsemble(), kId).value();
  EXPECT_EQ(view["id"], "trial-1");
  EXPECT_EQ(view["name"], "trial");
  EXPECT_EQ(view["state"], "running");
  EXPECT_EQ(view["submitted_at"], "2026-03-01T12:00:00.250Z");
  EXPECT_EQ(view["ended_at"], nullptr);
  EXPECT_EQ(view["members_total"], 3);
  EXPECT_EQ(view["members_finished"], 1);
  EXPECT_EQ(view["members_failed"], 1);
  EXPECT_EQ(view["minimum_members"], 3) << "all, unless the experiment asks for fewer";
  EXPECT_EQ(view["spec_hash"], "abc");
  EXPECT_EQ(view["exit_code"], nullptr);
  EXPECT_EQ(view["results"], nullptr);
}

TEST(EnsembleView, MembersComeInTheExperimentsOrderWithoutTheInspection) {
  Records records = OneEnsemble();
  std::swap(records.jobs[1].position, records.jobs[3].position);
  const Json members = EnsembleView(records, kId).value()["members"];
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0]["name"], "mlp-s2");
  EXPECT_EQ(members[1]["name"], "mlp-s1");
  EXPECT_EQ(members[2]["name"], "mlp-s0");
}

TEST(EnsembleView, CountsOnlyItsOwnMembers) {
  Records records = OneEnsemble();
  records.ensembles.push_back(AnEnsemble("trial-2", kNoon));
  JobRecord other = AJob("mlp-s0", 1, JobState::kFinished);
  other.id.ensemble = EnsembleId("trial-2");
  records.jobs.push_back(other);
  EXPECT_EQ(EnsembleView(records, kId).value()["members"].size(), 3u);
  EXPECT_EQ(EnsembleView(records, EnsembleId("trial-2")).value()["members_finished"], 1);
}

TEST(EnsembleView, CurveTakesTheNewerAttemptWhereAnEpochWasTrainedTwice) {
  Records records = OneEnsemble();
  records.attempts = {AnAttempt("mlp-s0", 1), AnAttempt("mlp-s0", 2)};
  records.attempts[0].error = "killed";
  records.attempts[1].resumed_from_step = 43;
  records.epochs = {AnEpoch("mlp-s0", 1, 1, 0.9), AnEpoch("mlp-s0", 1, 2, 0.8), AnEpoch("mlp-s0", 2, 2, 0.7)};
  const Json member = EnsembleView(records, kId).value()["members"][0];
  EXPECT_EQ(member["curve"], Json::parse(R"([
    {"epoch": 1, "train_loss": 0.9, "validation_loss": 1.8, "validation_accuracy": null},
    {"epoch": 2, "train_loss": 0.7, "validation_loss": 1.4, "validation_accuracy": null}])"));
  EXPECT_EQ(member["train_loss"], 0.7);
  EXPECT_EQ(member["train_seconds"], 7.5) << "what was spent, also on the epoch that was lost";
  EXPECT_EQ(member["last_error"], "killed");
  EXPECT_EQ(member["gang"], Json({"n1:2"})) << "of the newest attempt";
}

TEST(EnsembleView, AMemberThatWentBackIsWhereItWentBackTo) {
  Records records = OneEnsemble();
  records.jobs[1].state = JobState::kRunning;
  records.attempts = {AnAttempt("mlp-s0", 1)};
  records.epochs = {AnEpoch("mlp-s0", 1, 1, 0.9), AnEpoch("mlp-s0", 1, 2, 0.8), AnEpoch("mlp-s0", 1, 3, 0.7)};
  const auto member = [&] { return EnsembleView(records, kId).value()["members"][0]; };
  EXPECT_EQ(member()["step"], 129) << "nothing is lost yet";
  records.attempts.push_back(AnAttempt("mlp-s0", 2));
  EXPECT_EQ(member()["step"], 0) << "it begins anew";
  EXPECT_EQ(member()["validation_loss"], nullptr);
  records.attempts[1].resumed_from_step = 86;
  EXPECT_EQ(member()["step"], 86);
  EXPECT_EQ(member()["epoch"], 2.0);
  EXPECT_EQ(member()["train_loss"], 0.8);
  EXPECT_EQ(member()["curve"].size(), 2u);
  EXPECT_EQ(member()["train_seconds"], 7.5) << "what was spent";
}

TEST(EnsembleView, TellsTheWholeLengthFromWhatIsKnown) {
  Records records = OneEnsemble();
  Json member = EnsembleView(records, kId).value()["members"][0];
  EXPECT_EQ(member["epochs"], 10.0);
  EXPECT_EQ(member["total_steps"], nullptr) << "nobody has said yet how many steps an epoch has";
  records.epochs = {AnEpoch("mlp-s0", 1, 2, 0.8)};
  member = EnsembleView(records, kId).value()["members"][0];
  EXPECT_EQ(member["total_steps"], 430);
  EXPECT_EQ(member["step"], 86);
  EXPECT_EQ(member["epoch"], 2.0);
}

TEST(EnsembleView, LivingCoordinatorKnowsMore) {
  Records records = OneEnsemble();
  records.jobs[1].state = JobState::kRunning;
  records.epochs = {AnEpoch("mlp-s0", 1, 1, 0.9)};
  Live live;
  live[Member("mlp-s0")].started = protocol::Started{0, 431, 43, 1, {}};
  live[Member("mlp-s0")].progress = protocol::Progress{60, 1.4, 0.85, 1234};
  live[Member("mlp-s2")].reason = "needs 2 slots at once, 1 is free";
  const Json members = EnsembleView(records, kId, live).value()["members"];
  EXPECT_EQ(members[0]["step"], 60);
  EXPECT_EQ(members[0]["epoch"], 1.4);
  EXPECT_EQ(members[0]["total_steps"], 431);
  EXPECT_EQ(members[0]["train_loss"], 0.85);
  EXPECT_EQ(members[0]["images_per_second"], 1234.0);
  EXPECT_EQ(members[2]["reason"], "needs 2 slots at once, 1 is free");
  EXPECT_EQ(EnsembleView(records, kId).value()["members"][2]["reason"], "as stored");
}

TEST(EnsembleView, ShowsCheckpointsThatAreNotBeingDeleted) {
  Records records = OneEnsemble();
  CheckpointRecord kept;
  kept.attempt = {Member("mlp-s0"), 1};
  kept.step = 43;
  kept.folder = "members/mlp-s0/attempt-1/step-00000043";
  kept.size_bytes = 1234;
  CheckpointRecord leaving = kept;
  leaving.step = 20;
  leaving.state = CheckpointState::kDeleting;
  records.checkpoints = {leaving, kept};
  const Json checkpoints = EnsembleView(records, kId).value()["members"][0]["checkpoints"];
  EXPECT_EQ(checkpoints, Json::parse(R"([{"attempt": 1, "step": 43,
    "folder": "members/mlp-s0/attempt-1/step-00000043", "bytes": 1234}])"));
}

TEST(EnsembleView, NamesEveryKeyOfTheDocumentedMember) {
  const Json member = EnsembleView(OneEnsemble(), kId).value()["members"][0];
  for (const char* key : {"name", "state", "reason", "attempts", "failures", "gang", "epoch", "epochs", "step",
                          "total_steps", "train_loss", "validation_loss", "validation_accuracy", "images_per_second",
                          "train_seconds", "checkpoints", "curve", "last_error"}) {
    EXPECT_TRUE(member.contains(key)) << key;
  }
}

TEST(EnsembleView, LossThatIsNotFiniteShowsAsNull) {
  Records records = OneEnsemble();
  records.epochs = {AnEpoch("mlp-s0", 1, 1, std::numeric_limits<double>::quiet_NaN())};
  const Json view = EnsembleView(records, kId).value();
  EXPECT_THAT(view.dump(), HasSubstr(R"("train_loss":null)"));
}

TEST(EnsembleView, OfAnExperimentThatCannotBeReadShowsAsFarAsItGoes) {
  Records records = OneEnsemble();
  records.ensembles[0].spec = "damaged";
  const Json view = EnsembleView(records, kId).value();
  EXPECT_EQ(view["name"], "trial-1");
  EXPECT_EQ(view["members_total"], 3);
  EXPECT_EQ(view["members"][0]["epochs"], nullptr);
}

TEST(EnsembleView, OfNoSuchEnsembleSaysSo) {
  const auto view = EnsembleView(OneEnsemble(), EnsembleId("other-1"));
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(view.error().Text(), HasSubstr("other-1"));
}

TEST(EnsemblesView, NewestFirstWithoutMembers) {
  Records records = OneEnsemble();
  records.ensembles.push_back(AnEnsemble("trial-2", kNoon + std::chrono::seconds(1)));
  records.ensembles[1].state = EnsembleState::kIncomplete;
  const Json view = EnsemblesView(records);
  ASSERT_EQ(view["ensembles"].size(), 2u);
  EXPECT_EQ(view["ensembles"][0]["id"], "trial-2");
  EXPECT_EQ(view["ensembles"][0]["exit_code"], 5);
  EXPECT_EQ(view["ensembles"][1]["members_total"], 3);
  EXPECT_FALSE(view["ensembles"][1].contains("members"));
}

TEST(EnsemblesView, ReadsAnExperimentOnceHoweverManyListsShowIt) {
  Records records = OneEnsemble();
  Outlines outlines;
  const Json first = EnsemblesView(records, {}, outlines);
  records.ensembles[0].spec = "what is never read";
  EXPECT_EQ(EnsemblesView(records, {}, outlines), first);
  records.ensembles[0].spec_hash = "of another experiment";
  EXPECT_EQ(EnsemblesView(records, {}, outlines)["ensembles"][0]["name"], "trial-1") << "it cannot be read";
}

TEST(WithoutProcess, WhatRanIsStoppedAndWhatEndedStays) {
  Records records;
  for (const EnsembleState state : {EnsembleState::kRunning, EnsembleState::kFinished}) {
    EnsembleRecord ensemble;
    ensemble.id = EnsembleId(fmt::format("e-{}", records.ensembles.size()));
    ensemble.state = state;
    records.ensembles.push_back(ensemble);
    for (const JobState job_state : {JobState::kFinished, JobState::kRunning, JobState::kWaiting}) {
      JobRecord job;
      job.id = {ensemble.id, std::string(Name(job_state))};
      job.state = job_state;
      records.jobs.push_back(job);
    }
  }
  const Records left = WithoutProcess(records);
  EXPECT_EQ(left.ensembles[0].state, EnsembleState::kStopped);
  EXPECT_EQ(left.ensembles[0].note, "its process is gone");
  EXPECT_EQ(left.ensembles[1], records.ensembles[1]);
  EXPECT_EQ(left.jobs[0], records.jobs[0]);
  EXPECT_EQ(left.jobs[1].state, JobState::kStopped);
  EXPECT_EQ(left.jobs[2].state, JobState::kStopped);
  EXPECT_EQ(left.jobs[4], records.jobs[4]) << "of an ensemble that has ended";
}

TEST(WithoutProcess, WhatWasStoppingHasStopped) {
  Records records;
  for (const EnsembleState state : {EnsembleState::kStopped, EnsembleState::kCancelled}) {
    EnsembleRecord ensemble;
    ensemble.id = EnsembleId(std::string(Name(state)));
    ensemble.state = state;
    ensemble.note = "as asked";
    records.ensembles.push_back(ensemble);
    JobRecord job;
    job.id = {ensemble.id, "mlp-s0"};
    job.state = JobState::kRunning;
    records.jobs.push_back(job);
  }
  const Records left = WithoutProcess(records);
  EXPECT_EQ(left.ensembles, records.ensembles);
  EXPECT_EQ(left.jobs[0].state, JobState::kStopped);
  EXPECT_EQ(left.jobs[0].reason, "as asked");
  EXPECT_EQ(left.jobs[1].state, JobState::kCancelled);
  EXPECT_EQ(left.jobs[1].reason, "as asked");
}

TEST(ExitCodes, AreThoseOfTuttiRun) {
  EXPECT_EQ(ExitCodeOf(EnsembleState::kFinished), 0);
  EXPECT_EQ(ExitCodeOf(EnsembleState::kIncomplete), 5);
  EXPECT_EQ(ExitCodeOf(EnsembleState::kFailed), 1);
  EXPECT_EQ(ExitCodeOf(EnsembleState::kCancelled), 1);
  EXPECT_EQ(ExitCodeOf(EnsembleState::kRunning), std::nullopt);
  EXPECT_EQ(ExitCodeOf(EnsembleState::kStopped), std::nullopt);
}

TEST(FindEnsemble, LastIsTheNewest) {
  Records records = OneEnsemble();
  records.ensembles.push_back(AnEnsemble("another-1", kNoon + std::chrono::seconds(1)));
  EXPECT_EQ(FindEnsemble(records.ensembles, "last").value(), EnsembleId("another-1"));
  EXPECT_EQ(FindEnsemble(records.ensembles, "trial-1").value(), kId);
}

TEST(FindEnsemble, ErrorsSayWhichKind) {
  EXPECT_EQ(FindEnsemble({}, "last").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(FindEnsemble({}, "trial-9").error().code, ErrorCode::kNotFound);
  for (const char* name : {"", "..", ".hidden", "a/b", "a b", "%2e%2e"}) {
    EXPECT_EQ(FindEnsemble({}, name).error().code, ErrorCode::kInvalid) << name;
  }
}

TEST(WorkersView, CountsBusySlotsAndSaysWhatEachIs) {
  core::Core::WorkerView worker;
  worker.id = WorkerId("n1");
  worker.connected = true;
  worker.slots = 3;
  worker.holders = {AttemptId{Member("mlp-s0"), 1}, std::nullopt, AttemptId{Member("mlp-s1"), 1}};
  worker.draining = true;
  worker.closed = "is being drained";
  const auto entry = [&](const protocol::Hello* hello) {
    return WorkersView(std::span(&worker, 1), [&](const auto&) { return hello; })["workers"][0];
  };
  const Json away = Json::parse(R"({"id": "n1", "connected": true, "host": null, "device": null,
      "threads_per_slot": null, "slot_memory_bytes": null, "slots": 3, "busy": 2, "draining": true,
      "note": "is being drained"})");
  EXPECT_EQ(entry(nullptr), away);
  protocol::Hello hello;
  hello.host = "node-a";
  hello.device = "cuda";
  hello.threads_per_slot = 4;
  EXPECT_EQ(entry(&hello)["slot_memory_bytes"], nullptr) << "unknown";
  hello.slot_memory_bytes = 1 << 30;
  Json there = away;
  there["host"] = "node-a";
  there["device"] = "cuda";
  there["threads_per_slot"] = 4;
  there["slot_memory_bytes"] = 1 << 30;
  EXPECT_EQ(entry(&hello), there);
}

TEST(ProblemView, SaysWhatHappenedAndItsKind) {
  EXPECT_EQ(ProblemView(Error{ErrorCode::kNotFound, "no such thing", nullptr}),
            Json::parse(R"({"title": "no such thing", "status": 404, "code": "not_found"})"));
}

class ResultsTest : public ::testing::Test {
 protected:
  ResultsTest() { record_.combined = true; }
  std::optional<Json> Results() { return ReadStored(PosixFileSystem(), home_.path(), record_).results; }
  std::string Problem() { return ReadStored(PosixFileSystem(), home_.path(), record_).problem; }
  void Write(const std::string& text) {
    std::filesystem::create_directories(home_ / "trial-1");
    std::ofstream(home_ / "trial-1/results.json") << text;
  }

  const testing::TemporaryFolder home_;
  EnsembleRecord record_ = AnEnsemble("trial-1", kNoon);
};

TEST_F(ResultsTest, AreShownOnceMembersAreCombined) {
  const Json report = ensemble::ToJson(ensemble::EnsembleReport{});
  Write(report.dump());
  EXPECT_EQ(Results(), report);
  EXPECT_EQ(Problem(), "");
  record_.combined = false;
  EXPECT_EQ(Results(), std::nullopt) << "of an earlier combination";
}

TEST_F(ResultsTest, ThatCannotBeReadAreLeftOut) {
  std::filesystem::create_directories(home_ / "trial-1");
  for (const char* text : {"", "{", "{}", R"({"members": 3})"}) {
    if (*text != '\0') Write(text);
    EXPECT_EQ(Results(), std::nullopt) << text;
    EXPECT_THAT(Problem(), HasSubstr((home_ / "trial-1/results.json").string())) << text;
    EXPECT_THAT(Problem(), HasSubstr("`tutti resume trial-1` makes it again")) << text;
  }
}

TEST_F(ResultsTest, FolderThatIsGoneIsSaidWithWhatToDo) {
  EXPECT_THAT(Problem(), HasSubstr("is gone; `tutti rm trial-1` forgets it"));
  record_.combined = false;
  EXPECT_THAT(Problem(), HasSubstr("is gone"));
  Records records;
  records.ensembles = {record_};
  const Json listed = EnsemblesView(records, ProblemsOf(PosixFileSystem(), home_.path(), records));
  EXPECT_THAT(listed["ensembles"][0]["problem"].get<std::string>(), HasSubstr("is gone"));
  record_.state = EnsembleState::kRemoving;
  EXPECT_EQ(Problem(), "") << "it is to go";
}

TEST_F(ResultsTest, NeverComeFromOutsideTheHome) {
  std::filesystem::create_directories(home_ / "runs");
  std::ofstream(home_ / "results.json") << "{}";
  record_.id = EnsembleId("..");
  EXPECT_EQ(ReadStored(PosixFileSystem(), home_ / "runs", record_).results, std::nullopt);
}

}  // namespace
}  // namespace tutti::server
