// The coordinator as a whole: a real home, real sockets, a worker whose trainers are the test's.
#include "coordinator/server/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <new>

#include "common/hash.h"
#include "common/network/home_socket.h"
#include "common/tensors/tensor_file.h"
#include "coordinator/server/ensemble_files.h"
#include "experiments.h"
#include "fake_worker.h"
#include "raw_client.h"
#include "storage/catalog/catalog.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using testing::AnExperiment;
using testing::Answer;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Eventually;
using testing::FakeWorker;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::Not;
using ::testing::StartsWith;
using testing::Submission;
using ::testing::UnorderedElementsAre;

constexpr const char* kEnsembles = "/api/v1/ensembles";

class CoordinatorTest : public ::testing::Test {
 protected:
  // Start, with a worker of two slots.
  void StartAll(int slots = 2) {
    StartCoordinator();
    StartWorker(slots);
  }
  void StartCoordinator(core::Interrupted interrupted = core::Interrupted::kGoOn) {
    CoordinatorOptions options;
    options.core.interrupted = interrupted;
    options.home = home();
    options.core.first_backoff = std::chrono::milliseconds(1);
    options.core.longest_backoff = std::chrono::milliseconds(1);
    auto started = Coordinator::Start(options);
    ASSERT_TRUE(started) << started.error().Text();
    coordinator_ = std::move(*started);
  }
  void StartWorker(int slots = 2) {
    worker_ = std::make_unique<FakeWorker>(*coordinator_, slots, Incarnation{++incarnation_});
  }
  // The process is killed: nobody says goodbye.
  void Kill() {
    coordinator_.reset();
    worker_.reset();
  }

  fs::path home() const { return folder_ / "runs"; }
  Answer Get(const std::string& path) { return testing::Request(home(), "GET", path); }
  Answer Post(const std::string& path, const std::string& body = "") {
    return testing::Request(home(), "POST", path, body);
  }
  Json Ensemble(const std::string& id = "last") { return Get(fmt::format("{}/{}", kEnsembles, id)).json(); }
  std::string StateOf(const std::string& id = "last") {
    const Json view = Ensemble(id);
    return view.is_object() && view.contains("state") ? view["state"].get<std::string>() : "(none)";
  }
  bool Becomes(const std::string& state, const std::string& id = "last") {
    return Eventually([&] { return StateOf(id) == state; });
  }
  std::string Submit(const spec::EnsembleSpec& spec, const std::string& more = "") {
    const Answer answer = Post(kEnsembles, Submission(spec, more));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json().value("id", "");
  }
  std::string RunToTheEnd(const spec::EnsembleSpec& spec) {
    const std::string id = Submit(spec);
    EXPECT_TRUE(Eventually([&] { return StateOf(id) != "running"; }));
    return id;
  }
  // The home as it was when the combination was under way.
  void GoBackToTheCombination(const std::string& id) {
    auto catalog = storage::Catalog::Open(PosixFileSystem(), home());
    ASSERT_TRUE(catalog);
    EnsembleRecord record = catalog->Load().value().ensembles.at(0);
    record.state = EnsembleState::kRunning;
    record.combined = false;
    record.ended_at.reset();
    ASSERT_TRUE(catalog->Commit(std::vector<storage::Change>{Record(record)}));
    fs::remove(home() / id / "results.json");
  }
  std::string ReadFile(const fs::path& path) { return PosixFileSystem().Read(path).value_or("(none)"); }
  Json MemberOf(const Json& ensemble, const std::string& name) {
    for (const Json& member : ensemble["members"]) {
      if (member["name"] == name) return member;
    }
    return nullptr;
  }

  testing::TemporaryFolder folder_;
  int64_t incarnation_ = 0;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<FakeWorker> worker_;  // goes first
};

// A member that has trained a while, has acknowledged checkpoints, and goes on until it is stopped or lost.
void TrainOn(FakeWorker& worker, const protocol::StartAttempt& start) {
  worker.Epoch(start, 1, 10);
  worker.Checkpoint(start, 10);
}

TEST_F(CoordinatorTest, RunsAnEnsembleFromSubmissionToAnswer) {
  StartAll();
  const auto spec = AnExperiment();
  const std::string id = Submit(spec, R"(, "source": "name: trial # mine")");
  EXPECT_EQ(id, "trial-1");
  ASSERT_TRUE(Becomes("finished")) << Ensemble().dump(2);

  const Json view = Ensemble();
  EXPECT_EQ(view["exit_code"], 0);
  EXPECT_EQ(view["members_finished"], 3);
  EXPECT_EQ(view["data_hash"], "hash-of-data");
  EXPECT_EQ(view["members"][0]["train_seconds"], 5.0);
  EXPECT_EQ(view["members"][0]["total_steps"], 100);
  EXPECT_EQ(view["results"], Json::parse(ReadFile(home() / id / "results.json")));
  EXPECT_EQ(view["results"]["members"], 3);

  EXPECT_EQ(ReadFile(home() / id / "experiment.yaml"), "name: trial # mine");
  EXPECT_EQ(ReadFile(home() / id / "resolved.json"), spec::ToJson(spec).dump());
  EXPECT_THAT(ReadFile(home() / id / "resolved.yaml"), HasSubstr("trial"));
  EXPECT_THAT(ReadFile(home() / id / "results.csv"), HasSubstr("nll"));
}

// Members answer wrongly exactly where the sample's id is divisible by five.
TEST_F(CoordinatorTest, AnswerIsThatOfTheMembersBySampleId) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  const auto split = ReadSplit(PosixFileSystem(), home() / id).value();
  const auto answer = tensors::TensorFile::Read(PosixFileSystem(), home() / id / "ensemble/test.safetensors").value();
  const auto ids = answer.Get("ids").value().As<int64_t>();
  const auto shares = answer.Get("probabilities").value();
  ASSERT_EQ(shares.shape, (std::vector<int64_t>{testing::kTestSamples, testing::kClasses}));
  EXPECT_EQ(std::vector<int64_t>(ids.begin(), ids.end()), split.ids.test);
  for (size_t row = 0; row < ids.size(); ++row) {
    const auto of_row = shares.As<float>().subspan(row * testing::kClasses, testing::kClasses);
    const auto answered = std::max_element(of_row.begin(), of_row.end()) - of_row.begin();
    EXPECT_EQ(answered == ids[row] % testing::kClasses, ids[row] % 5 != 0) << ids[row];
  }
  const Json results = Ensemble()["results"];
  EXPECT_THAT(results.dump(), HasSubstr(R"("accuracy":0.8)")) << "4 of 20 test ids are divisible by five";
}

TEST_F(CoordinatorTest, TaskTellsTheTrainerAllItNeeds) {
  StartAll();
  const auto spec = AnExperiment();
  const std::string id = RunToTheEnd(spec);
  const auto start = worker_->start_of("mlp-s1").value();
  const protocol::Task& task = start.task;
  EXPECT_EQ(task.ensemble_folder, home() / id);
  EXPECT_EQ(task.folder, home() / id / "members/mlp-s1/attempt-1");
  EXPECT_EQ(task.cache, home() / "cache");
  EXPECT_EQ(task.data, spec.data);
  EXPECT_EQ(task.member, spec.members[1]);
  EXPECT_EQ(task.data_hash, "hash-of-data");
  EXPECT_EQ(task.classes, testing::kClasses);
  EXPECT_EQ(task.threads, 2) << "as many as the worker gives to a slot";
  EXPECT_EQ(task.resume_from, std::nullopt);
  EXPECT_EQ(protocol::TaskFromJson(Json::parse(ReadFile(task.folder / "task.json"))).value(), task);
  const auto split = ReadSplit(PosixFileSystem(), home() / id).value();
  EXPECT_EQ(task.split, home() / id / kSplitFile);
  EXPECT_EQ(split.ids.validation.size(), 15u);
  EXPECT_EQ(split.ids.training.size(), 45u);
  EXPECT_EQ(worker_->start_of(".inspect").value().task.member, std::nullopt);
}

// The two are threads of their own, but what is sent to them arrives in the order in which it was sent.
TEST_F(CoordinatorTest, EveryWorkerOfAGangIsGrantedItsSlotsBeforeTheLeaderStarts) {
  StartCoordinator();
  FakeWorker one(*coordinator_, 1, Incarnation{1}, "n1", "rack");
  FakeWorker other(*coordinator_, 1, Incarnation{1}, "n2", "rack");
  std::vector<int> granted_to_follower;
  std::vector<std::string> hosts;
  const auto look_at = [&](FakeWorker& follower) {
    return [&](FakeWorker& leader, const protocol::StartAttempt& start) {
      granted_to_follower = follower.granted(start.attempt);
      hosts = start.hosts;
      leader.Checkpoint(start, 100);
      leader.Predict(start);
      leader.Say(start, protocol::Finished{100, 1});
      leader.Exit(start, 0);
    };
  };
  one.Script("mlp-s7", look_at(other));
  other.Script("mlp-s7", look_at(one));
  Submit(AnExperiment("  validation: 15\n", "  - {model: mlp, seeds: [7], slots: 2}\n", 1));
  ASSERT_TRUE(Becomes("finished")) << Ensemble().dump(2);
  EXPECT_THAT(granted_to_follower, ElementsAre(0));
  EXPECT_THAT(hosts, ElementsAre("here", "here"));
  Kill();
}

TEST_F(CoordinatorTest, AWorkerIsGrantedSlotsBeforeItStartsSomethingThere) {
  StartAll(3);
  RunToTheEnd(AnExperiment("  validation: 15\n", "", 1));
  const auto heard = worker_->heard();
  const auto grant = std::find(heard.begin(), heard.end(), "grant_slots");
  const auto start = std::find(heard.begin(), heard.end(), "start_attempt");
  EXPECT_EQ(heard.front(), "welcome");
  EXPECT_LT(grant, start);
}

TEST_F(CoordinatorTest, ProvenanceSaysHowToRepeatTheRun) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  const Json provenance = Json::parse(ReadFile(home() / id / "provenance.json"));
  EXPECT_EQ(provenance["data_hash"], "hash-of-data");
  EXPECT_EQ(provenance["ensemble"], id);
  EXPECT_FALSE(provenance["tutti"].get<std::string>().empty());
  EXPECT_TRUE(provenance.contains("commit"));
  const Json attempt = provenance["attempts"]["mlp-s0"][0];
  EXPECT_THAT(attempt["gang"][0].get<std::string>(), StartsWith("n1:"));
  EXPECT_EQ(attempt["exit_code"], 0);
  EXPECT_EQ(attempt["trainer"]["libtorch"], "pretended");
}

TEST_F(CoordinatorTest, SameExperimentIsNotTrainedAgain) {
  StartAll();
  const auto spec = AnExperiment();
  const std::string id = RunToTheEnd(spec);
  const Json again = Post(kEnsembles, Submission(spec)).json();
  EXPECT_EQ(again, Json({{"id", id}, {"outcome", "finished"}}));
  EXPECT_EQ(worker_->started().size(), 4u) << "one inspection, three members";
}

TEST_F(CoordinatorTest, RunningExperimentIsContinuedNotDoubled) {
  StartCoordinator();
  const auto spec = AnExperiment();
  EXPECT_EQ(Post(kEnsembles, Submission(spec)).json(), Json({{"id", "trial-1"}, {"outcome", "created"}}));
  EXPECT_EQ(Post(kEnsembles, Submission(spec)).json(), Json({{"id", "trial-1"}, {"outcome", "continued"}}));
}

TEST_F(CoordinatorTest, NewStartsAnotherAndNumbersAreNeverGivenTwice) {
  StartAll();
  const auto spec = AnExperiment();
  RunToTheEnd(spec);
  EXPECT_EQ(Submit(spec, R"(, "new": true)"), "trial-2");
  ASSERT_TRUE(Becomes("finished", "trial-2"));
  ASSERT_EQ(testing::Request(home(), "DELETE", "/api/v1/ensembles/trial-2").status, 200);
  EXPECT_EQ(Submit(spec, R"(, "new": true)"), "trial-3");
}

// A coordinator died between making the folder and committing the row.
TEST_F(CoordinatorTest, SubmissionThatIsRepeatedWithItsKeyIsTheSameEnsemble) {
  StartCoordinator();
  const std::string body = Submission(AnExperiment(), R"(, "new": true, "key": "mine 1")");
  EXPECT_EQ(Post(kEnsembles, body).json(), Json({{"id", "trial-1"}, {"outcome", "created"}}));
  EXPECT_EQ(Post(kEnsembles, body).json(), Json({{"id", "trial-1"}, {"outcome", "continued"}}));
  coordinator_.reset();
  StartAll();
  EXPECT_EQ(Post(kEnsembles, body).json()["id"], "trial-1") << "a coordinator's end forgets no key";
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_EQ(Post(kEnsembles, body).json(), Json({{"id", "trial-1"}, {"outcome", "finished"}}));
  EXPECT_EQ(Post(kEnsembles, Submission(AnExperiment(), R"(, "new": true, "key": "mine 2")")).json()["id"], "trial-2");
}

TEST_F(CoordinatorTest, KeyOfASubmissionThatMadeNothingNewIsKept) {
  StartCoordinator();
  Submit(AnExperiment());
  EXPECT_EQ(Submit(AnExperiment(), R"(, "key": "k")"), "trial-1");
  EXPECT_EQ(Submit(AnExperiment(), R"(, "key": "k", "new": true)"), "trial-1");
}

TEST_F(CoordinatorTest, KeyOfAnotherExperimentIsAConflict) {
  StartCoordinator();
  Submit(AnExperiment(), R"(, "key": "k")");
  const Answer answer = Post(kEnsembles, Submission(AnExperiment("  validation: 16\n"), R"(, "key": "k")"));
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.json()["code"], "conflict");
  EXPECT_THAT(answer.body, HasSubstr("trial-1"));
  EXPECT_EQ(Get(kEnsembles).json()["ensembles"].size(), 1u);
}

TEST_F(CoordinatorTest, SubmissionThatIsRepeatedLateUndoesNoCancellation) {
  StartCoordinator();
  const std::string body = Submission(AnExperiment(), R"(, "key": "k")");
  Post(kEnsembles, body);
  ASSERT_EQ(Post("/api/v1/ensembles/last/cancel").status, 200);
  ASSERT_TRUE(Becomes("cancelled"));
  EXPECT_EQ(Post(kEnsembles, body).json()["outcome"], "cancelled");
  EXPECT_EQ(StateOf(), "cancelled");
}

TEST_F(CoordinatorTest, KeyGoesWithItsEnsemble) {
  StartCoordinator();
  const std::string body = Submission(AnExperiment(), R"(, "key": "k")");
  Post(kEnsembles, body);
  ASSERT_EQ(Post("/api/v1/ensembles/last/cancel").status, 200);
  ASSERT_EQ(testing::Request(home(), "DELETE", "/api/v1/ensembles/trial-1").status, 200);
  EXPECT_EQ(Post(kEnsembles, body).json(), Json({{"id", "trial-2"}, {"outcome", "created"}}));
}

TEST_F(CoordinatorTest, FolderWithoutARowIsLeftAloneAndItsNumberPassedOver) {
  fs::create_directories(home() / "trial-1");
  std::ofstream(home() / "trial-1/precious") << "keep";
  StartCoordinator();
  EXPECT_EQ(Submit(AnExperiment()), "trial-2");
  EXPECT_EQ(ReadFile(home() / "trial-1/precious"), "keep");
}

TEST_F(CoordinatorTest, WhatASubmissionThatWasCutShortLeftIsRemovedAtTheStart) {
  const fs::path draft = home() / ".new-0123456789abcdef";
  fs::create_directories(draft);
  std::ofstream(draft / "experiment.yaml") << "version";
  StartCoordinator();
  EXPECT_TRUE(Eventually([&] { return !fs::exists(draft); }));
  EXPECT_EQ(Submit(AnExperiment()), "trial-1");
}

TEST_F(CoordinatorTest, FailedMemberMakesAnIncompleteAnswer) {
  StartAll();
  worker_->Script("mlp-s1", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    worker.Say(start, protocol::Failed{"loss is not finite at step 7"});
    worker.Exit(start, protocol::kExitDiverged);
  });
  RunToTheEnd(AnExperiment());
  const Json view = Ensemble();
  EXPECT_EQ(view["state"], "incomplete");
  EXPECT_EQ(view["exit_code"], 5);
  EXPECT_EQ(view["members_failed"], 1);
  EXPECT_EQ(view["results"]["members"], 2);
  EXPECT_EQ(view["results"]["members_total"], 3);
  EXPECT_THAT(MemberOf(view, "mlp-s1")["last_error"].get<std::string>(), HasSubstr("step 7"));
  EXPECT_EQ(Post(kEnsembles, Submission(AnExperiment())).json()["outcome"], "finished");
}

TEST_F(CoordinatorTest, ImpossibleSplitFailsTheEnsembleWithItsReason) {
  StartAll();
  RunToTheEnd(AnExperiment("  validation: 60\n"));
  EXPECT_EQ(StateOf(), "failed");
  EXPECT_THAT(Ensemble()["note"].get<std::string>(), HasSubstr("leave none of the 60 to train on"));
}

TEST_F(CoordinatorTest, PredictionsForOtherSamplesFailTheCombinationByName) {
  StartAll();
  worker_->Script("mlp-s2", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    worker.Checkpoint(start, 100);
    worker.Predict(start);
    // Another file, announced in its place: one sample is missing.
    const auto path = start.task.folder / "predictions/last/test.safetensors";
    const std::vector<int64_t> ids = {60};
    const std::vector<float> logits = {1, 0, 0};
    TUTTI_CHECK(WriteTensorsDurably(
        PosixFileSystem(), path,
        std::vector<tensors::NamedTensor>{{"ids", tensors::ViewOf<int64_t>(tensors::DType::kI64, {1}, ids)},
                                          {"logits", tensors::ViewOf<float>(tensors::DType::kF32, {1, 3}, logits)}},
        {}));
    worker.Say(start, protocol::PredictionsWritten{"last", Split::kTest,
                                                   path.lexically_relative(start.task.ensemble_folder).string(), 1, 100,
                                                   HashText(PosixFileSystem().Read(path).value())});
    worker.Say(start, protocol::Finished{100, 1});
    worker.Exit(start, 0);
  });
  RunToTheEnd(AnExperiment());
  EXPECT_EQ(StateOf(), "failed");
  const std::string note = Ensemble()["note"].get<std::string>();
  EXPECT_THAT(note, HasSubstr("mlp-s2"));
  EXPECT_THAT(note, HasSubstr("test"));
}

TEST_F(CoordinatorTest, InspectionThatContradictsItselfFailsTheEnsemble) {
  StartAll();
  worker_->Script(".inspect", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    const std::vector<int64_t> labels = {0, 1, 2, 3};
    const auto path = start.task.folder / "labels.safetensors";
    TUTTI_CHECK(WriteTensorsDurably(
        PosixFileSystem(), path,
        std::vector<tensors::NamedTensor>{{"labels", tensors::ViewOf<int64_t>(tensors::DType::kI64, {4}, labels)}},
        {}));
    worker.Say(start,
               protocol::Inspected{3, 1, 3, {}, 1, 28, 28, "h", "members/.inspect/attempt-1/labels.safetensors"});
    worker.Exit(start, 0);
  });
  RunToTheEnd(AnExperiment());
  EXPECT_EQ(StateOf(), "failed");
  EXPECT_THAT(Ensemble()["note"].get<std::string>(), HasSubstr("sample 3 has label 3, but there are 3 classes"));
}

TEST_F(CoordinatorTest, AttemptFolderOfSomeoneElseIsNeverUsed) {
  StartAll();
  worker_->Script(".inspect", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    fs::create_directories(start.task.ensemble_folder / "members/mlp-s0/attempt-1");
    worker.Inspect(start);
  });
  const std::string id = RunToTheEnd(AnExperiment());
  EXPECT_EQ(StateOf(), "finished") << Ensemble().dump(2);
  EXPECT_THAT(worker_->started(), Contains("mlp-s0/2"));
  EXPECT_TRUE(fs::is_empty(home() / id / "members/mlp-s0/attempt-1"));
}

// ---- stopping and coming back ----

TEST_F(CoordinatorTest, StopMakesMembersCheckpointAndResumeGoesOnFromThere) {
  StartAll(1);
  worker_->Script("mlp-s0", TrainOn);
  const std::string id = Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  coordinator_->RequestStop();
  coordinator_->RequestStop();
  ASSERT_TRUE(coordinator_->WaitStopped(kPatience));
  EXPECT_FALSE(coordinator_->failure());
  EXPECT_THAT(worker_->heard(), Contains("stop_attempt"));
  EXPECT_TRUE(worker_->WaitFor([this] { return true; }));
  EXPECT_EQ(worker_->heard().back(), "leave");
  EXPECT_FALSE(fs::exists(home() / network::kSocketName));
  Kill();

  StartAll(1);
  EXPECT_EQ(StateOf(), "stopped");
  EXPECT_EQ(Post(kEnsembles, Submission(AnExperiment())).json(), Json({{"id", id}, {"outcome", "continued"}}));
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_EQ(worker_->start_of("mlp-s0", 2).value().task.resume_from,
            home() / id / "members/mlp-s0/attempt-1/step-00000050");
  EXPECT_THAT(worker_->started(), Not(Contains(StartsWith(".inspect"))));
}

TEST_F(CoordinatorTest, StopWithoutWorkEndsAtOnce) {
  StartAll();
  coordinator_->RequestStop();
  EXPECT_TRUE(coordinator_->WaitStopped(kPatience));
}

TEST_F(CoordinatorTest, KilledWhileTrainingItGoesOnByItselfAndTrainsNothingAgain) {
  StartAll(1);
  worker_->Script("mlp-s1", TrainOn);
  const std::string id = Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s1"));
  ASSERT_TRUE(Eventually([&] { return MemberOf(Ensemble(), "mlp-s1")["checkpoints"].size() == 1; }));
  Kill();

  StartAll(1);
  ASSERT_TRUE(Becomes("finished")) << Ensemble().dump(2);
  EXPECT_THAT(worker_->started(), UnorderedElementsAre("mlp-s1/2", "mlp-s2/1"));
  EXPECT_EQ(worker_->start_of("mlp-s1", 2).value().task.resume_from,
            home() / id / "members/mlp-s1/attempt-1/step-00000010");
  EXPECT_EQ(Ensemble()["results"]["members"], 3);
}

// As above, with a coordinator that trains only what it is asked for.
TEST_F(CoordinatorTest, KilledWhileTrainingItCanWaitUntilItIsAskedToGoOn) {
  StartAll(1);
  worker_->Script("mlp-s0", TrainOn);
  const std::string left = Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  ASSERT_TRUE(Eventually([&] { return MemberOf(Ensemble(), "mlp-s0")["checkpoints"].size() == 1; }));
  Kill();

  StartCoordinator(core::Interrupted::kStop);
  StartWorker(1);
  EXPECT_EQ(StateOf(left), "stopped");
  const std::string other = RunToTheEnd(AnExperiment("  validation: 16\n"));
  EXPECT_EQ(StateOf(other), "finished");
  EXPECT_EQ(Ensemble(left)["note"], "its process is gone");
  EXPECT_FALSE(worker_->start_of("mlp-s0", 2)) << "nobody asked for it";
  EXPECT_EQ(Post(kEnsembles, Submission(AnExperiment())).json(), Json({{"id", left}, {"outcome", "continued"}}));
  ASSERT_TRUE(Becomes("finished", left)) << Ensemble(left).dump(2);
  EXPECT_EQ(worker_->start_of("mlp-s0", 2).value().task.resume_from,
            home() / left / "members/mlp-s0/attempt-1/step-00000010");
}

TEST_F(CoordinatorTest, CheckpointThatCannotBeReadAnyMoreIsGoneBackBehind) {
  StartAll(1);
  worker_->Script("mlp-s0", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    worker.Checkpoint(start, 10);
    worker.Checkpoint(start, 20);
  });
  const std::string id = Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  ASSERT_TRUE(Eventually([&] { return MemberOf(Ensemble(), "mlp-s0")["checkpoints"].size() == 2; }));
  Kill();
  const fs::path folder = home() / id / "members/mlp-s0/attempt-1";
  std::ofstream(folder / "step-00000020/model.safetensors", std::ios::in) << "W";  // the same size, another byte

  StartCoordinator(core::Interrupted::kStop);
  StartWorker(1);
  worker_->Script("mlp-s0", [](FakeWorker&, const protocol::StartAttempt&) {});
  ASSERT_EQ(Post("/api/v1/ensembles/last/resume").json()["outcome"], "resumed");
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0", 2));
  EXPECT_EQ(worker_->start_of("mlp-s0", 2).value().task.resume_from, folder / "step-00000010");
  const Json member = MemberOf(Ensemble(), "mlp-s0");
  EXPECT_EQ(member["reason"], "step 20 cannot be read any more, goes on from step 10");
  EXPECT_EQ(member["failures"], 0);
  EXPECT_EQ(member["checkpoints"].size(), 1u);
  EXPECT_TRUE(fs::exists(folder / "step-00000020")) << "never deleted";
}

// The trainer's rename was the commit; its word of it never arrived.
TEST_F(CoordinatorTest, CheckpointThatNobodyHeardOfIsAdoptedWithItsEpochs) {
  StartAll(1);
  worker_->Script("mlp-s0", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    TrainOn(worker, start);
    worker.Hush();
    for (const int epoch : {2, 3, 4}) worker.Epoch(start, epoch, 10 * epoch);
    worker.Checkpoint(start, 40);
    fs::create_directories(start.task.folder / "step-00000060");  // half of one: no manifest
  });
  const std::string id = Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  ASSERT_TRUE(Eventually([&] { return MemberOf(Ensemble(), "mlp-s0")["checkpoints"].size() == 1; }));
  Kill();

  StartAll(1);
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0", 2));
  EXPECT_EQ(worker_->start_of("mlp-s0", 2).value().task.resume_from,
            home() / id / "members/mlp-s0/attempt-1/step-00000040");
  EXPECT_TRUE(fs::exists(home() / id / "members/mlp-s0/attempt-1/step-00000060")) << "never deleted";
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_EQ(MemberOf(Ensemble(), "mlp-s0")["curve"].size(), 4u) << "the second attempt said 1 and 2 alone";
  EXPECT_EQ(MemberOf(Ensemble(), "mlp-s0")["train_seconds"], 6 * 2.5);
}

TEST_F(CoordinatorTest, MemberThatFinishedWhenNobodyListenedIsNotTrainedAgain) {
  StartAll(1);
  worker_->Script("mlp-s0", [](FakeWorker& worker, const protocol::StartAttempt& start) {
    TrainOn(worker, start);
    worker.Hush();
    worker.Epoch(start, 2, 100);
    worker.Checkpoint(start, 100);
    worker.Predict(start);
    worker.Say(start, protocol::Finished{100, 5.0});
  });
  Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  ASSERT_TRUE(Eventually([&] { return MemberOf(Ensemble(), "mlp-s0")["checkpoints"].size() == 1; }));
  Kill();

  StartAll(1);
  ASSERT_TRUE(Becomes("finished")) << Ensemble().dump(2);
  EXPECT_THAT(worker_->started(), UnorderedElementsAre("mlp-s1/1", "mlp-s2/1"));
  EXPECT_EQ(MemberOf(Ensemble(), "mlp-s0")["curve"].size(), 2u);
  EXPECT_EQ(Ensemble()["results"]["members"], 3);
}

TEST_F(CoordinatorTest, MemberWhosePredictionsAreLostMakesThemAgain) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  Kill();
  GoBackToTheCombination(id);
  ASSERT_TRUE(fs::remove(home() / id / "members/mlp-s1/attempt-1/predictions/last/test.safetensors"));
  std::ofstream(home() / id / "members/mlp-s2/attempt-1/predictions/last/test.safetensors") << "other bytes";
  const fs::path flipped = home() / id / "members/mlp-s0/attempt-1/predictions/last/validation.safetensors";
  std::string bytes = ReadFile(flipped);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(flipped, std::ios::binary) << bytes;
  StartAll();
  ASSERT_TRUE(Becomes("finished")) << Ensemble().dump(2);
  EXPECT_THAT(worker_->started(), UnorderedElementsAre("mlp-s0/2", "mlp-s1/2", "mlp-s2/2"));
  EXPECT_EQ(worker_->start_of("mlp-s1", 2).value().task.resume_from,
            home() / id / "members/mlp-s1/attempt-1/step-00000100");
}

TEST_F(CoordinatorTest, WhatTheInspectionLeftIsMadeAgainBeforeAnythingNeedsIt) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  const SplitIds split = ReadSplit(PosixFileSystem(), home() / id).value().ids;
  const Json results = Ensemble()["results"];
  Kill();
  for (const char* lost : {"members/.inspect", "split.safetensors"}) {
    GoBackToTheCombination(id);
    fs::remove_all(home() / id / lost);
    StartAll();
    ASSERT_TRUE(Becomes("finished")) << Ensemble().dump(2);
    EXPECT_EQ(worker_->started().size(), 1u) << "the inspection alone";
    EXPECT_EQ(Ensemble()["results"], results);
    Kill();
  }
  EXPECT_EQ(ReadSplit(PosixFileSystem(), home() / id).value().ids, split);
}

TEST_F(CoordinatorTest, AnswerThatCannotBeReadIsMadeAgainOnRequestAndNothingTrained) {
  StartAll();
  const auto spec = AnExperiment();
  const std::string id = RunToTheEnd(spec);
  const Json results = Ensemble()["results"];
  const auto lose = [&](const std::string& instead) {
    fs::remove(home() / id / "results.json");
    if (!instead.empty()) std::ofstream(home() / id / "results.json") << instead;
    EXPECT_EQ(Ensemble()["state"], "finished");
    EXPECT_EQ(Ensemble()["results"], nullptr);
    EXPECT_THAT(Ensemble()["problem"].get<std::string>(), HasSubstr("results.json"));
  };
  const size_t trained = worker_->started().size();
  lose("");
  EXPECT_EQ(Post(fmt::format("{}/{}/resume", kEnsembles, id)).json()["outcome"], "resumed");
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_EQ(Ensemble()["results"], results);
  lose("garbage");
  EXPECT_EQ(Post(kEnsembles, Submission(spec)).json()["outcome"], "continued");
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_EQ(Ensemble()["results"], results);
  EXPECT_EQ(worker_->started().size(), trained);
}

TEST_F(CoordinatorTest, EnsembleWhoseFolderIsGoneSaysSoAndCanBeForgotten) {
  StartAll();
  const auto spec = AnExperiment();
  const std::string id = RunToTheEnd(spec);
  fs::remove_all(home() / id);
  EXPECT_THAT(Ensemble()["problem"].get<std::string>(), HasSubstr("`tutti rm trial-1` forgets it"));
  EXPECT_THAT(Get(kEnsembles).json()["ensembles"][0]["problem"].get<std::string>(), HasSubstr("is gone"));
  EXPECT_EQ(Post(kEnsembles, Submission(spec)).status, 409);
  EXPECT_EQ(Post(fmt::format("{}/{}/resume", kEnsembles, id)).status, 409);
  EXPECT_EQ(testing::Request(home(), "DELETE", fmt::format("{}/{}", kEnsembles, id)).status, 200);
  EXPECT_EQ(Submit(spec), "trial-2");
}

TEST_F(CoordinatorTest, EnsembleWhoseFolderGoesWhileItRunsSaysSoAndTheFolderIsNotMadeAnew) {
  StartCoordinator();
  const std::string id = Submit(AnExperiment());
  fs::remove_all(home() / id);
  StartWorker();
  const auto why = [&] { return Get(fmt::format("{}/{}/members/.inspect/why", kEnsembles, id)).body; };
  EXPECT_TRUE(Eventually([&] { return why().find("is gone; `tutti rm trial-1` forgets it") != std::string::npos; }))
      << why();
  EXPECT_FALSE(fs::exists(home() / id));
}

TEST_F(CoordinatorTest, ForgottenEnsembleOfTheSameExperimentIsNotTrainedAgainUnasked) {
  StartAll();
  const auto spec = AnExperiment();
  const std::string id = RunToTheEnd(spec);
  Kill();
  fs::remove_all(home() / "catalog");
  StartAll();
  const Answer refused = Post(kEnsembles, Submission(spec));
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, HasSubstr("`tutti fsck --rebuild` takes it in"));
  EXPECT_EQ(Submit(spec, R"(, "new": true)"), "trial-2");
}

TEST_F(CoordinatorTest, KilledBetweenTheMembersAndTheAnswerItStillAnswers) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  Kill();
  GoBackToTheCombination(id);
  StartAll();
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_TRUE(fs::exists(home() / id / "results.json"));
  EXPECT_TRUE(worker_->started().empty());
}

TEST_F(CoordinatorTest, SecondCoordinatorOfAHomeIsRefusedByName) {
  StartAll();
  const auto second = Coordinator::Start({.home = home()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().Text(), HasSubstr(std::to_string(::getpid())));
  EXPECT_EQ(Get("/healthz").status, 200) << "the first one's socket is untouched";
}

// On another host the lock says nothing: a newer generation of the catalog does.
TEST_F(CoordinatorTest, CommitThatFailsEndsItAndNobodyIsToldAnythingMore) {
  StartAll(1);
  worker_->Script("mlp-s0", TrainOn);
  Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  ASSERT_TRUE(Eventually([&] { return MemberOf(Ensemble(), "mlp-s0")["checkpoints"].size() == 1; }));
  const auto heard_before = worker_->heard();
  auto newer = storage::Catalog::Open(PosixFileSystem(), home());
  ASSERT_TRUE(newer) << newer.error().Text();

  testing::RawClient client(home());
  const auto answer = client.Ask("POST", "/api/v1/ensembles/last/cancel");
  EXPECT_FALSE(answer) << "what is not durable is not answered: " << answer->body;
  ASSERT_TRUE(coordinator_->WaitStopped(kPatience));
  ASSERT_TRUE(coordinator_->failure());
  EXPECT_EQ(coordinator_->failure()->code, ErrorCode::kConflict);
  EXPECT_TRUE(worker_->WaitFor([] { return true; }));
  EXPECT_EQ(worker_->heard(), heard_before) << "neither StopAttempt nor Leave";
  EXPECT_TRUE(Eventually([&] { return worker_->closed(); }));
  EXPECT_EQ(newer->Load().value().ensembles.at(0).state, EnsembleState::kRunning);
  EXPECT_EQ(Get("/healthz").status, 0) << "nobody answers any more";
}

TEST_F(CoordinatorTest, DestructionNeverWaitsForAWorker) {
  StartAll(1);
  worker_->Script("mlp-s0", TrainOn);
  worker_->OnStop([](FakeWorker&, const protocol::StopAttempt&) {});  // deaf
  Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  coordinator_->RequestStop();
  EXPECT_FALSE(coordinator_->WaitStopped(std::chrono::milliseconds(1)));
  coordinator_.reset();
}

TEST_F(CoordinatorTest, PostOfAGoneCoordinatorDropsWhatItIsGiven) {
  StartCoordinator();
  const protocol::Post post = coordinator_->post();
  coordinator_.reset();
  post([] { FAIL() << "there is no thread to run this"; });
}

// ---- workers ----

TEST_F(CoordinatorTest, WorkerThatBeginsWithoutHelloIsRefused) {
  StartCoordinator();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> heard;
  bool closed = false;
  std::shared_ptr<protocol::Channel> mine;
  // This end's handlers run on the coordinator's thread: good enough to listen.
  auto [theirs, end] = protocol::MakeLocalChannel(coordinator_->post(), coordinator_->post());
  mine = std::move(end);
  mine->OnMessage([&](std::string text) {
    const std::lock_guard lock(mutex);
    heard.push_back(std::move(text));
  });
  mine->OnClose([&] {
    const std::lock_guard lock(mutex);
    closed = true;
    changed.notify_all();
  });
  coordinator_->AttachWorker(std::move(theirs));
  mine->Send("how do you do");
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return closed; }));
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_THAT(heard[0], HasSubstr("\"type\":\"refused\""));
  lock.unlock();
  Kill();
}

TEST_F(CoordinatorTest, OlderProcessOfAWorkerIsRefusedAndTheNewerGoesOn) {
  StartAll(1);
  ASSERT_TRUE(worker_->WaitFor([] { return true; }));
  ASSERT_TRUE(Eventually([&] { return Get("/api/v1/workers").json()["workers"].size() == 1; }));
  FakeWorker older(*coordinator_, 1, Incarnation{0});
  ASSERT_TRUE(Eventually([&] { return older.refusal().has_value(); }));
  ASSERT_TRUE(Eventually([&] { return older.closed(); }));
  RunToTheEnd(AnExperiment());
  EXPECT_EQ(StateOf(), "finished");
  EXPECT_TRUE(older.started().empty());
}

TEST_F(CoordinatorTest, LostWorkerIsShownAsDisconnected) {
  StartAll(2);
  const auto workers = [&] { return Get("/api/v1/workers").json()["workers"]; };
  ASSERT_TRUE(Eventually([&] { return workers().size() == 1 && workers()[0]["connected"] == true; }));
  EXPECT_EQ(workers()[0]["slots"], 2);
  EXPECT_EQ(workers()[0]["device"], "cpu");
  worker_.reset();
  EXPECT_TRUE(Eventually([&] { return workers()[0]["connected"] == false; }));
  EXPECT_EQ(workers()[0]["device"], nullptr) << "nobody knows what comes back";
}

// ---- the routes ----

TEST_F(CoordinatorTest, HealthNamesGenerationAndProcess) {
  StartCoordinator();
  const Json health = Get("/healthz").json();
  EXPECT_EQ(health["generation"], coordinator_->generation().value);
  EXPECT_EQ(health["pid"], ::getpid());
  EXPECT_FALSE(health["version"].get<std::string>().empty());
  EXPECT_THAT(health["time"].get<std::string>(), ::testing::MatchesRegex("20..-..-..T..:..:..\\....Z"));
}

TEST_F(CoordinatorTest, ListsEnsemblesNewestFirst) {
  StartCoordinator();
  EXPECT_EQ(Get(kEnsembles).json(), Json::parse(R"({"ensembles": []})"));
  Submit(AnExperiment());
  Submit(AnExperiment("  validation: 16\n"));
  const Json list = Get(kEnsembles).json()["ensembles"];
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["id"], "trial-2");
  EXPECT_EQ(list[1]["id"], "trial-1");
}

TEST_F(CoordinatorTest, ListsPageByPageAndByFilter) {
  StartCoordinator();
  for (int i = 0; i < 3; ++i) Submit(AnExperiment(), R"(, "new": true)");
  const Json first = Get("/api/v1/ensembles?limit=2&name=trial&state=running").json();
  EXPECT_EQ(first["ensembles"].size(), 2u);
  const Json rest = Get("/api/v1/ensembles?limit=2&after=" + first["next"].get<std::string>()).json();
  ASSERT_EQ(rest["ensembles"].size(), 1u);
  EXPECT_EQ(rest["ensembles"][0]["id"], "trial-1");
  EXPECT_EQ(rest["ensembles"][0]["members_total"], 3);
  EXPECT_FALSE(rest.contains("next"));
  EXPECT_EQ(Get("/api/v1/ensembles?state=finished").json()["ensembles"].size(), 0u);
  EXPECT_EQ(Get("/api/v1/ensembles?state=glorious").status, 400);
}

TEST_F(CoordinatorTest, MembersAreShownByThemselvesWithTheirCurves) {
  StartAll();
  RunToTheEnd(AnExperiment());
  const Json whole = Ensemble();
  EXPECT_EQ(Get("/api/v1/ensembles/last/members").json(), Json({{"members", whole["members"]}}));
  EXPECT_EQ(Get("/api/v1/ensembles/last/members/mlp-s1").json(), MemberOf(whole, "mlp-s1"));
  const Json epochs = Get("/api/v1/ensembles/last/members/mlp-s1/metrics").json()["epochs"];
  ASSERT_FALSE(epochs.empty());
  EXPECT_EQ(epochs.size(), MemberOf(whole, "mlp-s1")["curve"].size());
  for (const char* key : {"epoch", "attempt", "step", "train_loss", "validation_loss", "validation_accuracy",
                          "learning_rate", "images_per_second", "train_seconds"}) {
    EXPECT_TRUE(epochs[0].contains(key)) << key;
  }
  EXPECT_EQ(epochs[0]["epoch"], 1);
  for (const char* name : {"nobody", ".inspect"}) {
    EXPECT_EQ(Get(fmt::format("/api/v1/ensembles/last/members/{}", name)).status, 404) << name;
    EXPECT_EQ(Get(fmt::format("/api/v1/ensembles/last/members/{}/metrics", name)).status, 404) << name;
  }
}

TEST_F(CoordinatorTest, ArtifactsAreListedAndDownloadedById) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  const Json artifacts = Get("/api/v1/ensembles/last/artifacts").json()["artifacts"];
  std::map<std::string, int> kinds;
  for (const Json& artifact : artifacts) {
    ++kinds[artifact["kind"].get<std::string>()];
    const Answer file = Get("/api/v1/ensembles/last/artifacts/" + artifact["id"].get<std::string>());
    ASSERT_EQ(file.status, 200) << artifact;
    EXPECT_EQ(file.body.size(), artifact["bytes"]) << artifact;
    EXPECT_TRUE(artifact["hash"] == HashText(file.body) || artifact["hash"].is_null()) << artifact;
    EXPECT_TRUE(artifact["kind"] == "predictions" || !artifact["hash"].is_null()) << artifact;
    EXPECT_TRUE(artifact["name"] != "results.json" || Json::parse(file.body) == Ensemble()["results"]);
  }
  EXPECT_EQ(kinds["results"], 2);
  EXPECT_EQ(kinds["checkpoint"], 6) << "a manifest and a model of each member: this worker trains nothing";
  EXPECT_GE(kinds["predictions"], 6);
  EXPECT_EQ(kinds["experiment"], 3) << "nobody gave the text of the experiment";
  for (const char* name : {"..", "results.json", "%2e%2e%2fcatalog", "0123456789abcdef0123456789abcdef"}) {
    EXPECT_EQ(Get(fmt::format("/api/v1/ensembles/last/artifacts/{}", name)).status, 404) << name;
  }
}

TEST_F(CoordinatorTest, MetricsCountWhatIsThere) {
  StartAll(3);
  RunToTheEnd(AnExperiment());
  ASSERT_TRUE(
      Eventually([&] { return Get("/metrics").body.find("tutti_slots{use=\"busy\"} 0\n") != std::string::npos; }));
  const Answer metrics = Get("/metrics");
  EXPECT_THAT(metrics.head, HasSubstr("text/plain; version=0.0.4"));
  for (const char* line :
       {"tutti_ensembles{state=\"finished\"} 1\n", "tutti_ensembles{state=\"failed\"} 0\n",
        "tutti_members{state=\"finished\"} 3\n", "tutti_attempts_started_total 4\n", "tutti_attempts_failed_total 0\n",
        "tutti_workers_connected 1\n", "tutti_slots{use=\"free\"} 3\n", "tutti_slots{use=\"busy\"} 0\n",
        "tutti_catalog_generation 1\n", "# TYPE process_resident_memory_bytes gauge\n",
        "# TYPE process_cpu_seconds_total counter\n"}) {
    EXPECT_THAT(metrics.body, HasSubstr(line));
  }
}

TEST_F(CoordinatorTest, WhyTellsWhatAMemberWaitsFor) {
  StartCoordinator();
  Submit(AnExperiment());
  EXPECT_THAT(Get("/api/v1/ensembles/last/members/.inspect/why").json()["reason"].get<std::string>(),
              HasSubstr("no worker"));
  EXPECT_THAT(Get("/api/v1/ensembles/last/members/mlp-s0/why").json()["reason"].get<std::string>(),
              HasSubstr("the inspection of the data"));
}

TEST_F(CoordinatorTest, LogIsServedByMemberAttemptAndOffset) {
  StartAll();
  RunToTheEnd(AnExperiment());
  const std::string log = "/api/v1/ensembles/last/members/mlp-s0/log";
  const Answer whole = Get(log);
  EXPECT_EQ(whole.body, "hello from trial-1/mlp-s0/attempt-1\n");
  EXPECT_THAT(whole.head, HasSubstr("text/plain"));
  EXPECT_EQ(Get(log + "?offset=11").body, "trial-1/mlp-s0/attempt-1\n");
  EXPECT_EQ(Get(log + "?offset=1000").body, "");
  EXPECT_EQ(Get(log + "?attempt=1&offset=26").body, "attempt-1\n");
  EXPECT_EQ(Get(log + "?attempt=2").status, 404);
  EXPECT_EQ(Get(log + "?attempt=0").status, 404);
  EXPECT_EQ(Get(log + "?attempt=4294967297").status, 404);
  EXPECT_EQ(Get(log + "?follow=true&attempt=4294967297").status, 404);
  EXPECT_EQ(Get(log + "?offset=-1").status, 400);
  EXPECT_EQ(Get(log + "?offset=ten").status, 400);
  EXPECT_EQ(Get("/api/v1/ensembles/last/members/.inspect/log").status, 200);
}

TEST_F(CoordinatorTest, LogOfAMemberThatHasNotStartedIsNotThere) {
  StartCoordinator();
  Submit(AnExperiment());
  const Answer answer = Get("/api/v1/ensembles/last/members/mlp-s0/log");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("has not started"));
}

TEST_F(CoordinatorTest, CancelStopsForGoodAndMayBeRepeated) {
  StartAll(1);
  worker_->Script("mlp-s0", TrainOn);
  worker_->OnStop([](FakeWorker& worker, const protocol::StopAttempt& stop) {
    EXPECT_EQ(stop.reason, protocol::StopReason::kCancelled);
    const auto start = worker.start_of_now(stop.attempt);
    worker.Exit(start, 137);
  });
  Submit(AnExperiment());
  ASSERT_TRUE(worker_->WaitForStart("mlp-s0"));
  EXPECT_EQ(testing::Request(home(), "DELETE", "/api/v1/ensembles/last").status, 409) << "it is running";
  EXPECT_EQ(Post("/api/v1/ensembles/last/cancel").json()["outcome"], "cancelled");
  ASSERT_TRUE(Becomes("cancelled"));
  EXPECT_EQ(Ensemble()["exit_code"], 1);
  EXPECT_EQ(Post("/api/v1/ensembles/last/cancel").status, 200);
}

TEST_F(CoordinatorTest, ResumeGoesOnWithACancelledOne) {
  StartCoordinator();
  Submit(AnExperiment());
  EXPECT_EQ(Post("/api/v1/ensembles/last/resume").json()["outcome"], "running");
  ASSERT_EQ(Post("/api/v1/ensembles/last/cancel").status, 200);
  ASSERT_TRUE(Becomes("cancelled"));
  EXPECT_EQ(Post("/api/v1/ensembles/last/resume").json()["outcome"], "resumed");
  StartWorker();
  ASSERT_TRUE(Becomes("finished"));
  EXPECT_EQ(Post("/api/v1/ensembles/last/resume").json()["outcome"], "finished");
  EXPECT_EQ(Post("/api/v1/ensembles/last/cancel").status, 409);
}

TEST_F(CoordinatorTest, DeleteRemovesRowsAndFiles) {
  StartAll();
  const std::string id = RunToTheEnd(AnExperiment());
  ASSERT_TRUE(fs::exists(home() / id / "results.json"));
  const Answer removed = testing::Request(home(), "DELETE", "/api/v1/ensembles/trial-1");
  EXPECT_EQ(removed.json(), Json({{"id", id}, {"outcome", "removed"}}));
  EXPECT_FALSE(fs::exists(home() / id));
  EXPECT_EQ(Get("/api/v1/ensembles/trial-1").status, 404);
  EXPECT_FALSE(fs::exists(home() / ".removing-trial-1"));
}

// A file that belongs to someone else, say.
class NeverDeletes : public testing::FaultyFileSystem {
 public:
  using FaultyFileSystem::FaultyFileSystem;
  Result<void> RemoveAll(const fs::path& path) override {
    if (!path.filename().string().starts_with(".removing")) return FaultyFileSystem::RemoveAll(path);
    return Fail(ErrorCode::kDenied, "cannot remove {}", path.string());
  }
};

TEST_F(CoordinatorTest, DeleteWhoseFilesStayBehindSaysSo) {
  NeverDeletes disk(PosixFileSystem());
  CoordinatorOptions options;
  options.home = home();
  options.files = &disk;
  coordinator_ = Coordinator::Start(options).value();
  Submit(AnExperiment());
  ASSERT_EQ(Post("/api/v1/ensembles/last/cancel").status, 200);
  const Answer answer = testing::Request(home(), "DELETE", "/api/v1/ensembles/trial-1");
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr("trial-1 is removed, but not all of its files could be deleted: cannot remove"));
  EXPECT_EQ(Get("/api/v1/ensembles/trial-1").status, 404);
  Kill();
}

TEST_F(CoordinatorTest, RemovalThatACrashInterruptedIsFinishedAtTheNextStart) {
  fs::create_directories(home() / ".removing-trial-1/members");
  StartCoordinator();
  EXPECT_TRUE(Eventually([&] { return !fs::exists(home() / ".removing-trial-1"); }));
}

class Removal : public CoordinatorTest {
 protected:
  // A finished ensemble whose removal was committed when its process was killed.
  void KillAfterTheCommit() {
    StartAll();
    RunToTheEnd(AnExperiment());
    Kill();
    auto catalog = storage::Catalog::Open(PosixFileSystem(), home());
    ASSERT_TRUE(catalog);
    EnsembleRecord record = catalog->Load().value().ensembles.at(0);
    record.state = EnsembleState::kRemoving;
    ASSERT_TRUE(catalog->Commit(std::vector<storage::Change>{Record(record)}));
  }
  void ExpectItGoes() {
    StartCoordinator();
    EXPECT_TRUE(Eventually([&] { return Get("/api/v1/ensembles/trial-1").status == 404; }));
    EXPECT_FALSE(fs::exists(home() / "trial-1"));
    EXPECT_TRUE(Eventually([&] { return !fs::exists(home() / ".removing-trial-1"); }));
  }
};

TEST_F(Removal, ThatWasCommittedIsCarriedOutAtTheNextStart) {
  KillAfterTheCommit();
  ExpectItGoes();
}

TEST_F(Removal, WhoseFolderWasTakenAwayIsRecordedAtTheNextStart) {
  KillAfterTheCommit();
  ASSERT_TRUE(SetEnsembleFolderAside(PosixFileSystem(), home(), EnsembleId("trial-1")));
  ExpectItGoes();
}

// Memory that runs out, say.
class ThrowsAtLogs : public testing::FaultyFileSystem {
 public:
  using FaultyFileSystem::FaultyFileSystem;
  Result<std::string> ReadRange(const fs::path& path, uint64_t offset, uint64_t length) const override {
    if (path.filename() == "log.txt") throw std::bad_alloc();
    return FaultyFileSystem::ReadRange(path, offset, length);
  }
};

TEST_F(CoordinatorTest, AnAnswerThatCannotBeMadeIsA500AndNothingEnds) {
  ThrowsAtLogs disk(PosixFileSystem());
  CoordinatorOptions options;
  options.home = home();
  options.files = &disk;
  coordinator_ = Coordinator::Start(options).value();
  StartWorker();
  RunToTheEnd(AnExperiment());
  const Answer answer = Get("/api/v1/ensembles/last/members/mlp-s0/log");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("could not be made"));
  EXPECT_EQ(Get("/healthz").status, 200);
  Kill();
}

TEST_F(CoordinatorTest, UnknownThingsAreProblemsWithACode) {
  StartCoordinator();
  Submit(AnExperiment());
  const auto problem = [&](const Answer& answer) {
    EXPECT_THAT(answer.head, HasSubstr("application/problem+json"));
    EXPECT_EQ(answer.json()["status"], answer.status);
    EXPECT_FALSE(answer.json()["title"].get<std::string>().empty());
    return std::pair(answer.status, answer.json()["code"].get<std::string>());
  };
  EXPECT_EQ(problem(Get("/")), std::pair(404, std::string("not_found")));
  EXPECT_EQ(problem(Get("/api/v2/ensembles")), std::pair(404, std::string("not_found")));
  EXPECT_EQ(problem(Get("/api/v1/ensembles/trial-9")), std::pair(404, std::string("not_found")));
  EXPECT_EQ(problem(Get("/api/v1/ensembles/trial-1/members/nobody/why")), std::pair(404, std::string("not_found")));
  EXPECT_EQ(problem(testing::Request(home(), "PUT", kEnsembles)), std::pair(405, std::string("invalid")));
  EXPECT_EQ(problem(Post("/healthz")), std::pair(405, std::string("invalid")));
  for (const char* name : {"..", ".hidden", "%2e%2e", "a%20b"}) {
    EXPECT_EQ(problem(Get(std::string("/api/v1/ensembles/") + name)), std::pair(400, std::string("invalid"))) << name;
    EXPECT_EQ(problem(Get(fmt::format("/api/v1/ensembles/last/members/{}/log", name))).first, 400) << name;
  }
}

TEST_F(CoordinatorTest, BadSubmissionsAreRefusedByKeyAndLeaveNothingBehind) {
  StartCoordinator();
  const auto refusal = [&](const std::string& body) {
    const Answer answer = Post(kEnsembles, body);
    EXPECT_EQ(answer.status, 400) << body;
    return answer.json()["title"].get<std::string>();
  };
  const auto spec = AnExperiment();
  EXPECT_THAT(refusal(""), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("'experiment'"));
  EXPECT_THAT(refusal("{}"), HasSubstr("'experiment'"));
  EXPECT_THAT(refusal(R"({"experiment": {"version": 1}})"), HasSubstr("holds no resolved experiment"));
  EXPECT_THAT(refusal(Submission(spec, R"(, "new": 1)")), HasSubstr("'new'"));
  EXPECT_THAT(refusal(Submission(spec, R"(, "source": 1)")), HasSubstr("'source'"));
  EXPECT_THAT(refusal(Submission(spec, R"(, "nwe": true)")), HasSubstr("'nwe'"));
  for (const std::string& key :
       {std::string("1"), std::string("\"\""), std::string("\"\\n\""), '"' + std::string(129, 'k') + '"'}) {
    EXPECT_THAT(refusal(Submission(spec, fmt::format(R"(, "key": {})", key))), HasSubstr("'key'"));
  }
  EXPECT_THAT(refusal(std::string(100, '[')), HasSubstr("JSON"));
  Json named = spec::ToJson(spec);
  named["name"] = "../escape";
  refusal(fmt::format(R"({{"experiment": {}}})", named.dump()));
  EXPECT_EQ(Get(kEnsembles).json()["ensembles"].size(), 0u);
  EXPECT_FALSE(fs::exists(home() / "trial-1"));
}

TEST_F(CoordinatorTest, OversizedSubmissionIsRefused) {
  StartCoordinator();
  EXPECT_EQ(Post(kEnsembles, std::string(4 * 1024 * 1024 + 1, ' ')).status, 413);
}

TEST_F(CoordinatorTest, ClosesConnectionsWhenItEnds) {
  StartCoordinator();
  testing::RawClient client(home());
  ASSERT_EQ(client.Ask("GET", "/healthz").value().status, 200);
  coordinator_->RequestStop();
  EXPECT_TRUE(client.WaitForClose());
  EXPECT_TRUE(coordinator_->WaitStopped(kPatience));
}

}  // namespace
}  // namespace tutti::server
