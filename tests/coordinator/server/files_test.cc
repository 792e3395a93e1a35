// What the coordinator writes into an ensemble's folder, and what it makes of what trainers wrote there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/tensors/tensor_file.h"
#include "coordinator/server/combine.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/provenance.h"
#include "coordinator/server/tasks.h"
#include "experiments.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using tensors::DType;
using testing::AnExperiment;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

FileSystem& Disk() { return PosixFileSystem(); }

class Files : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  void WriteLabels(const std::vector<int64_t>& labels) {
    const std::vector<tensors::NamedTensor> tensors = {
        {"labels", tensors::ViewOf<int64_t>(DType::kI64, {static_cast<int64_t>(labels.size())}, labels)}};
    ASSERT_TRUE(WriteTensorsDurably(Disk(), folder_ / "labels.safetensors", tensors, {}));
  }
  std::string InspectionError() {
    const auto inspection = ReadInspection(Disk(), folder_.path(), "labels.safetensors");
    return inspection ? "" : inspection.error().Text();
  }
  testing::TemporaryFolder folder_;
};

constexpr const char* kInspected =
    R"({"event":"inspected","training_samples":3,"test_samples":1,"classes":2,"class_names":["a","b"],"channels":1,)"
    R"("height":28,"width":28,"data_hash":"h","file":"labels.safetensors"})";

// ---- names of files ----

TEST(FileWithin, StaysInItsFolder) {
  EXPECT_EQ(FileWithin("/runs/a-1", "members/x/labels.safetensors").value(), "/runs/a-1/members/x/labels.safetensors");
  for (const char* name : {"", "/etc/passwd", "..", "../b-1/x", "members/../../x"}) {
    EXPECT_EQ(FileWithin("/runs/a-1", name).error().code, ErrorCode::kInvalid) << name;
  }
}

// ---- the split ----

TEST_F(Files, SplitComesBackAsItWasDrawn) {
  const StoredSplit split{{{0, 2, 4}, {1}, {}, {5, 6}}, "members/.inspect/attempt-1/labels.safetensors", 10};
  ASSERT_TRUE(WriteSplit(Disk(), folder_.path(), split));
  const StoredSplit read = ReadSplit(Disk(), folder_.path()).value();
  EXPECT_EQ(read.ids, split.ids);
  EXPECT_EQ(read.inspection, split.inspection);
  EXPECT_EQ(read.classes, 10);
}

TEST_F(Files, SplitThatIsMissingOrDamagedIsAnError) {
  EXPECT_EQ(ReadSplit(Disk(), folder_.path()).error().code, ErrorCode::kNotFound);
  Write(kSplitFile, "damaged");
  EXPECT_EQ(ReadSplit(Disk(), folder_.path()).error().code, ErrorCode::kCorrupt);
}

// Whatever step fails: the old split or the new one, never half of one.
TEST_F(Files, SplitIsWholeWhateverFails) {
  const StoredSplit before{{{0}, {1}, {}, {}}, "x", 2};
  const StoredSplit after{{{1}, {0}, {}, {}}, "x", 2};
  for (int64_t step = 1;; ++step) {
    ASSERT_TRUE(WriteSplit(Disk(), folder_.path(), before));
    testing::FaultyFileSystem faulty(Disk());
    faulty.CutShortAt(step, ErrorCode::kNoSpace);
    const auto written = WriteSplit(faulty, folder_.path(), after);
    const SplitIds read = ReadSplit(Disk(), folder_.path()).value().ids;
    EXPECT_TRUE(read == before.ids || read == after.ids) << step;
    if (!faulty.fault_happened()) {
      EXPECT_TRUE(written);
      EXPECT_GT(step, 4) << "create, append, sync, close, rename, sync of the folder";
      break;
    }
    EXPECT_EQ(written.error().code, ErrorCode::kNoSpace) << step;
  }
}

// ---- the inspection ----

TEST_F(Files, InspectionIsReadFromLabelsAndEvents) {
  WriteLabels({0, 1, 0, 1});
  Write("events.jsonl", std::string("not json\n{\"event\":\"failed\",\"error\":\"x\"}\n") + kInspected + "\n");
  const Inspection inspection = ReadInspection(Disk(), folder_.path(), "labels.safetensors").value();
  EXPECT_THAT(inspection.labels, ElementsAre(0, 1, 0, 1));
  EXPECT_EQ(inspection.report.training_samples, 3);
  EXPECT_THAT(inspection.report.class_names, ElementsAre("a", "b"));
}

TEST_F(Files, InspectionWithoutItsReportIsAnError) {
  WriteLabels({0, 1, 0, 1});
  EXPECT_THAT(InspectionError(), HasSubstr("events.jsonl"));
  Write("events.jsonl", std::string(kInspected).substr(0, 50));  // the line was cut
  EXPECT_THAT(InspectionError(), HasSubstr("tells of no inspection"));
}

TEST_F(Files, LabelsMustFitTheReport) {
  Write("events.jsonl", std::string(kInspected) + "\n");
  WriteLabels({0, 1, 0});
  EXPECT_THAT(InspectionError(), HasSubstr("has 3 labels, but the inspection found 3 training and 1 test samples"));
  WriteLabels({0, 1, -1, 1});
  EXPECT_THAT(InspectionError(), HasSubstr("sample 2 has label -1"));
  WriteLabels({0, 1, 0, 2});
  EXPECT_THAT(InspectionError(), HasSubstr("sample 3 has label 2, but there are 2 classes"));
}

// ---- attempts ----

class Tasks : public ::testing::Test {
 protected:
  Tasks() {
    ensemble_.id = EnsembleId("trial-1");
    ensemble_.data_hash = "h";
  }
  TaskInput Input(const std::string& job, JobKind kind) {
    TaskInput input;
    input.home = folder_.path();
    input.start.attempt = {{ensemble_.id, job}, 2};
    input.start.kind = kind;
    input.start.shards = 4;
    input.ensemble = &ensemble_;
    input.experiment = &experiment_;
    input.classes = 3;
    return input;
  }
  testing::TemporaryFolder folder_;
  EnsembleRecord ensemble_;
  const KnownExperiment experiment_{AnExperiment()};
};

TEST_F(Tasks, OfAMemberThatTheExperimentDoesNotHaveIsRefused) {
  const auto task = MakeTask(Input("stranger", JobKind::kTrain));
  ASSERT_FALSE(task);
  EXPECT_THAT(task.error().Text(), HasSubstr("trial-1 has no member stranger"));
}

TEST_F(Tasks, NameTheCheckpointFromWhichToGoOn) {
  TaskInput input = Input("mlp-s0", JobKind::kTrain);
  input.resume_folder = "members/mlp-s0/attempt-1/step-00000010";
  const protocol::Task task = MakeTask(input).value();
  EXPECT_EQ(task.resume_from, folder_ / "trial-1/members/mlp-s0/attempt-1/step-00000010");
  EXPECT_EQ(task.shards, 4);
}

TEST_F(Tasks, PreparedTwiceAreTheSameAttempt) {
  const protocol::Task task = MakeTask(Input("mlp-s0", JobKind::kTrain)).value();
  ASSERT_TRUE(PrepareAttempt(Disk(), task));
  EXPECT_TRUE(PrepareAttempt(Disk(), task));
}

TEST_F(Tasks, OfAnotherAttemptWithTheSameNumberAreRefused) {
  protocol::Task task = MakeTask(Input("mlp-s0", JobKind::kTrain)).value();
  ASSERT_TRUE(PrepareAttempt(Disk(), task));
  task.threads = 9;
  EXPECT_EQ(PrepareAttempt(Disk(), task).error().code, ErrorCode::kExists);
}

TEST(Grants, GiveEachWorkerItsOwnSlotsWithTheirRanks) {
  const AttemptId attempt{{EnsembleId("trial-1"), "mlp-s0"}, 1};
  const auto grants = GrantsOf(attempt, {{WorkerId("n1"), 3}, {WorkerId("n1"), 1}, {WorkerId("n2"), 0}});
  ASSERT_EQ(grants.size(), 2u);
  EXPECT_THAT(grants.at(WorkerId("n1")).slots, ElementsAre(3, 1));
  EXPECT_THAT(grants.at(WorkerId("n1")).ranks, ElementsAre(0, 1));
  EXPECT_THAT(grants.at(WorkerId("n2")).slots, ElementsAre(0));
  EXPECT_THAT(grants.at(WorkerId("n2")).ranks, ElementsAre(2));
}

// ---- combining ----

PredictionRecord APrediction(const std::string& member, int attempt, const std::string& predictor, Split split,
                             int64_t step = 100) {
  return {{{EnsembleId("trial-1"), member}, attempt}, predictor, split, fmt::format("{}-{}", member, attempt), 1, step};
}

std::vector<std::string> NamesOf(const std::vector<ChosenPredictor>& chosen) {
  std::vector<std::string> names;
  for (const auto& predictor : chosen) names.push_back(predictor.name);
  return names;
}

TEST(ChoosePredictions, TakesTheNewestAttemptOfEachMemberInTheExperimentsOrder) {
  const auto chosen = ChoosePredictions(
      {APrediction("mlp-s2", 1, "last", Split::kTest), APrediction("mlp-s0", 2, "last", Split::kTest),
       APrediction("mlp-s0", 1, "last", Split::kTest), APrediction("mlp-s0", 2, "last", Split::kValidation)},
      AnExperiment());
  EXPECT_THAT(NamesOf(chosen), ElementsAre("mlp-s0", "mlp-s2"));
  EXPECT_EQ(chosen[0].predictions.at(Split::kTest).file, "mlp-s0-2");
  EXPECT_EQ(chosen[0].predictions.size(), 2u);
}

TEST(ChoosePredictions, TakesTheLaterStepOfOneAttempt) {
  PredictionRecord later = APrediction("mlp-s0", 1, "last", Split::kTest, 200);
  later.file = "later";
  const auto chosen = ChoosePredictions({later, APrediction("mlp-s0", 1, "last", Split::kTest, 100)}, AnExperiment());
  EXPECT_EQ(chosen[0].predictions.at(Split::kTest).file, "later");
}

TEST(ChoosePredictions, MemberWithSeveralPredictorsEntersAsSeveral) {
  const auto chosen = ChoosePredictions(
      {APrediction("mlp-s0", 1, "cycle-1", Split::kTest), APrediction("mlp-s0", 1, "cycle-2", Split::kTest)},
      AnExperiment());
  EXPECT_THAT(NamesOf(chosen), ElementsAre("mlp-s0/cycle-1", "mlp-s0/cycle-2"));
}

TEST_F(Files, PredictionsOfAWrongShapeOrTypeAreRefused) {
  const std::vector<int64_t> ids = {1, 2};
  const std::vector<float> logits = {0, 1, 2, 3, 4, 5};
  const auto write = [&](const tensors::NamedTensor& one, const tensors::NamedTensor& other) {
    const std::vector<tensors::NamedTensor> both = {one, other};
    ASSERT_TRUE(WriteTensorsDurably(Disk(), folder_ / "p", both, {}));
  };
  const tensors::NamedTensor right_ids{"ids", tensors::ViewOf<int64_t>(DType::kI64, {2}, ids)};
  write(right_ids, {"logits", tensors::ViewOf<float>(DType::kF32, {2, 3}, logits)});
  const auto read = ReadPredictions(Disk(), folder_ / "p").value();
  EXPECT_THAT(read.ids, ElementsAre(1, 2));
  EXPECT_EQ(read.logits(1, 0), 3.0F);
  write(right_ids, {"logits", tensors::ViewOf<float>(DType::kF32, {3, 2}, logits)});
  EXPECT_EQ(ReadPredictions(Disk(), folder_ / "p").error().code, ErrorCode::kCorrupt);
  write(right_ids, {"logits", tensors::ViewOf<float>(DType::kF32, {6}, logits)});
  EXPECT_EQ(ReadPredictions(Disk(), folder_ / "p").error().code, ErrorCode::kCorrupt);
  write(right_ids, {"logits", tensors::ViewOf<int64_t>(DType::kI64, {2, 1}, ids)});
  EXPECT_EQ(ReadPredictions(Disk(), folder_ / "p").error().code, ErrorCode::kCorrupt);
}

// ---- the folder itself ----

TEST_F(Files, SettingAsideAnEnsembleThatIsGoneIsNoError) {
  EXPECT_TRUE(SetEnsembleFolderAside(Disk(), folder_.path(), EnsembleId("trial-1")));
}

TEST_F(Files, WhatWasSetAsideIsFoundAndDeletedAndNothingElse) {
  Write("trial-1/members/x", "gone");
  Write("trial-2/members/x", "kept");
  ASSERT_TRUE(SetEnsembleFolderAside(Disk(), folder_.path(), EnsembleId("trial-1")));
  EXPECT_FALSE(fs::exists(folder_ / "trial-1"));
  EXPECT_EQ(FindSetAside(Disk(), folder_.path()), std::vector{EnsembleId("trial-1")});
  EXPECT_TRUE(DeleteSetAside(Disk(), folder_.path(), EnsembleId("trial-1")));
  EXPECT_FALSE(fs::exists(folder_ / ".removing-trial-1"));
  EXPECT_TRUE(fs::exists(folder_ / "trial-2/members/x"));
}

// ---- provenance ----

TEST(Provenance, TellsWhichAttemptsRanWhere) {
  Records records;
  AttemptRecord attempt;
  attempt.id = {{EnsembleId("trial-1"), "mlp-s0"}, 1};
  attempt.gang = {{WorkerId("n1"), 0}, {WorkerId("n2"), 3}};
  attempt.exit_code = 137;
  records.attempts = {attempt};
  attempt.id.job.ensemble = EnsembleId("other-1");
  records.attempts.push_back(attempt);
  const Json attempts = Provenance(records, EnsembleId("trial-1"))["attempts"];
  ASSERT_EQ(attempts.size(), 1u);
  EXPECT_EQ(attempts["mlp-s0"][0]["gang"], Json({"n1:0", "n2:3"}));
  EXPECT_EQ(attempts["mlp-s0"][0]["exit_code"], 137);
  EXPECT_EQ(attempts["mlp-s0"][0]["ended_at"], nullptr);
}

TEST_F(Files, ProvenanceGoesWithoutTrainersThatSaidNothing) {
  Json provenance = {{"ensemble", "trial-1"}, {"attempts", {{"mlp-s0", {{{"attempt", 1}}, {{"attempt", 2}}}}}}};
  Write("members/mlp-s0/attempt-1/events.jsonl", "damaged\n");
  EXPECT_EQ(WithFilesAndTrainers(Disk(), folder_.path(), provenance), provenance);
}

}  // namespace
}  // namespace tutti::server
