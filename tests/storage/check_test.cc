#include "storage/fsck/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/network/sha256.h"
#include "common/spec/experiment_files.h"
#include "storage/fsck/rebuild.h"
#include "tests/storage/home_with_runs.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CheckTest : public HomeWithRuns {
 protected:
  void SetUp() override {
    HomeWithRuns::SetUp();
    records_ = ReadFolders(PosixFileSystem(), home_.path()).value().records;
  }

  CheckReport Run() const {
    auto report = Check(PosixFileSystem(), home_.path(), records_);
    EXPECT_TRUE(report) << report.error().Text();
    return std::move(*report);
  }

  void ExpectOne(ProblemKind kind, const fs::path& path, const std::string& text) const {
    const CheckReport report = Run();
    ASSERT_THAT(report.problems, SizeIs(1));
    EXPECT_EQ(report.problems[0].kind, kind) << Name(report.problems[0].kind);
    EXPECT_EQ(report.problems[0].path, path);
    EXPECT_THAT(report.problems[0].text, HasSubstr(text));
    EXPECT_EQ(report.alarms(), IsAlarm(kind) ? 1 : 0);
  }

  CheckpointRecord& Row(const AttemptId& attempt, int64_t step) {
    for (CheckpointRecord& row : records_.checkpoints) {
      if (row.attempt == attempt && row.step == step) return row;
    }
    TUTTI_CHECK(false);
  }
  void DropRow(const AttemptId& attempt, int64_t step) {
    std::erase_if(records_.checkpoints, [&](const auto& row) { return row.attempt == attempt && row.step == step; });
  }
  void WriteTemporary(const AttemptId& attempt) { fs::create_directories(FolderOf(attempt) / ".step-00000099.1"); }

  Records records_;
};

TEST_F(CheckTest, WhereRowsAndFoldersAgreeThereIsNothingToSay) {
  const CheckReport report = Run();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.ensembles, 1);
  EXPECT_EQ(report.checkpoints, 5);
  EXPECT_EQ(report.bytes, 5U * 2000U);
}

TEST_F(CheckTest, NamesWhatTheInspectionLeftWhenItIsLost) {
  fs::remove(labels_);
  ExpectOne(ProblemKind::kRowWithoutFolder, labels_, "made again from the data before the ensemble goes on");
  fs::resize_file(ensemble_ / "split.safetensors", 20);
  ExpectOne(ProblemKind::kDamaged, ensemble_ / "split.safetensors", "made again from the data");
  fs::remove(ensemble_ / "split.safetensors");
  ExpectOne(ProblemKind::kRowWithoutFolder, ensemble_ / "split.safetensors", "made again from the data");
}

TEST_F(CheckTest, AFileThatCameWithTheExperimentIsHeldAgainstItsHash) {
  const std::string content = "weights";
  network::Sha256 hash;
  hash.Update(std::as_bytes(std::span(content)));
  const fs::path copy = spec::CopyOf(hash.Digest());
  auto spec = spec::EnsembleFromJson(ParseJson(records_.ensembles[0].spec).value()).value();
  spec.members[0].weights = copy;
  records_.ensembles[0].spec = spec::ToJson(spec).dump();
  ExpectOne(ProblemKind::kRowWithoutFolder, ensemble_ / copy, "names.json says where it lay");
  Append(ensemble_ / copy, content);
  EXPECT_THAT(Run().problems, IsEmpty());
  Append(ensemble_ / copy, "!");
  ExpectOne(ProblemKind::kDamaged, ensemble_ / copy, "its SHA-256 is");
}

TEST_F(CheckTest, NamesResultsThatCannotBeRead) {
  const fs::path results = ensemble_ / "results.json";
  records_.ensembles[0].combined = true;
  ExpectOne(ProblemKind::kRowWithoutFolder, results, "`tutti resume fashion-mnist-3` makes it again");
  Append(results, "{");
  ExpectOne(ProblemKind::kDamaged, results, "`tutti resume fashion-mnist-3` makes it again");
}

TEST_F(CheckTest, ACheckpointThatIsGoneIsAnAlarm) {
  fs::remove_all(FolderOf(kStopped, 10));
  ExpectOne(ProblemKind::kRowWithoutFolder, FolderOf(kStopped, 10), "step 10 of fashion-mnist-3/lenet5-s1/attempt-1");
}

TEST_F(CheckTest, ACheckpointOfAnAttemptWhoseWholeFolderIsGoneIsAnAlarm) {
  fs::remove_all(FolderOf(kStopped));
  ExpectOne(ProblemKind::kRowWithoutFolder, FolderOf(kStopped, 10), "is gone");
}

TEST_F(CheckTest, AFlippedByteIsAnAlarm) {
  Overwrite(FolderOf(kCurrent, 20) / "model.safetensors", ModelBytes(5));
  ExpectOne(ProblemKind::kDamaged, FolderOf(kCurrent, 20), "model.safetensors is damaged");
}

TEST_F(CheckTest, ARecordedCheckpointThatLostAFileIsAnAlarm) {
  fs::remove(FolderOf(kCurrent, 20) / "training.safetensors");
  ExpectOne(ProblemKind::kDamaged, FolderOf(kCurrent, 20), "training.safetensors is missing");
}

TEST_F(CheckTest, ACheckpointThatWasExchangedForAnotherWholeOneIsAnAlarm) {
  fs::remove_all(FolderOf(kCurrent, 20));
  ASSERT_TRUE(WriteCheckpoint(store_, kCurrent, 20, 0.111));
  ExpectOne(ProblemKind::kDamaged, FolderOf(kCurrent, 20), "not the one that was recorded");
}

TEST_F(CheckTest, AWholeFolderOfTheNewestAttemptWithoutRowWillBeAdopted) {
  DropRow(kCurrent, 20);
  ExpectOne(ProblemKind::kFolderWithoutRow, FolderOf(kCurrent, 20), "taken in before the member's next attempt");
}

TEST_F(CheckTest, AWholeFolderOfAnOlderAttemptWithoutRowNeedsARebuild) {
  DropRow(kStopped, 10);
  ExpectOne(ProblemKind::kFolderWithoutRow, FolderOf(kStopped, 10), "only a rebuild");
}

TEST_F(CheckTest, ADamagedFolderWithoutRowIsNotCalledWhole) {
  DropRow(kCurrent, 20);
  Overwrite(FolderOf(kCurrent, 20) / "model.safetensors", ModelBytes(5));
  ExpectOne(ProblemKind::kQuarantined, FolderOf(kCurrent, 20), "model.safetensors");
}

TEST_F(CheckTest, AFolderWithoutRowThatIsBrokenIsQuarantined) {
  DropRow(kCurrent, 20);
  fs::remove(FolderOf(kCurrent, 20) / "manifest.json");
  ExpectOne(ProblemKind::kQuarantined, FolderOf(kCurrent, 20), "left alone");
}

TEST_F(CheckTest, ARunByHandIsLeftAloneAndSoItIsSaid) {
  const AttemptId by_hand{kCurrent.job, 9};
  Train(by_hand, 30, 0.1);
  ExpectOne(ProblemKind::kQuarantined, FolderOf(by_hand), "by hand");
  DropRow(kCurrent, 20);
  const CheckReport report = Run();
  ASSERT_THAT(report.problems, SizeIs(2));
  EXPECT_THAT(report.problems[0].text, HasSubstr("taken in before the member's next attempt"))
      << "the newest attempt is the coordinator's";
}

TEST_F(CheckTest, AnAttemptThatADiskWasTooFullToPrepareIsNoRunByHand) {
  fs::create_directories(FolderOf({kCurrent.job, 3}));
  EXPECT_THAT(Run().problems, IsEmpty());
}

TEST_F(CheckTest, AMarkedRowIsBeingDeletedWithAndWithoutItsFolder) {
  Row(kFinished, 10).state = CheckpointState::kDeleting;
  ExpectOne(ProblemKind::kMarked, FolderOf(kFinished, 10), "goes on with it");
  fs::remove_all(FolderOf(kFinished, 10));
  ExpectOne(ProblemKind::kMarked, FolderOf(kFinished, 10), "goes on with it");
}

TEST_F(CheckTest, AHalfWrittenFolderIsReportedOnceItsAttemptHasEnded) {
  WriteTemporary(kCurrent);
  records_.attempts.back().state = AttemptState::kRunning;
  EXPECT_THAT(Run().problems, IsEmpty()) << "it may be writing";
  records_.attempts.back().state = AttemptState::kEnded;
  ExpectOne(ProblemKind::kTemporary, FolderOf(kCurrent) / ".step-00000099.1", "safe to delete");
}

TEST_F(CheckTest, PredictionsThatAreGoneAreAnAlarm) {
  const fs::path file = ensemble_ / AttemptFolder(kFinished) / "predictions/last/test.safetensors";
  fs::remove(file);
  ExpectOne(ProblemKind::kRowWithoutFolder, file, "predictions of fashion-mnist-3/lenet5-s0/attempt-1 on test");
}

TEST_F(CheckTest, AFlippedByteOfPredictionsIsAnAlarm) {
  const fs::path file = FolderOf(kFinished) / "predictions/last/test.safetensors";
  std::string bytes = PosixFileSystem().Read(file).value();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Overwrite(file, bytes);
  ExpectOne(ProblemKind::kDamaged, file, "its bytes are not those that were written");
}

TEST_F(CheckTest, PredictionsWithoutAHashAreHeldAgainstTheirSamples) {
  for (PredictionRecord& row : records_.predictions) row.hash.clear();  // as an earlier build recorded them
  EXPECT_THAT(Run().problems, IsEmpty());
  static_cast<void>(WritePredictions(kFinished, "last", Split::kTest, 11));
  const fs::path file = FolderOf(kFinished) / "predictions/last/test.safetensors";
  ExpectOne(ProblemKind::kDamaged, file, "11 samples instead of 12");
  Overwrite(file, "");
  ExpectOne(ProblemKind::kDamaged, file, "tutti fsck --rebuild");
}

TEST_F(CheckTest, AnEnsembleThatIsBeingRemovedIsNoAlarmWithAndWithoutItsFolder) {
  records_.ensembles[0].state = EnsembleState::kRemoving;
  ExpectOne(ProblemKind::kMarked, ensemble_, "is being removed");
  fs::remove_all(ensemble_);
  ExpectOne(ProblemKind::kMarked, ensemble_, "is being removed");
}

TEST_F(CheckTest, AnEnsembleThatIsGoneIsAnAlarm) {
  fs::remove_all(ensemble_);
  const CheckReport report = Run();
  ASSERT_FALSE(report.problems.empty());
  EXPECT_EQ(report.problems[0].kind, ProblemKind::kRowWithoutFolder);
  EXPECT_EQ(report.problems[0].path, ensemble_);
  EXPECT_EQ(report.alarms(), 1 + 5 + 2 + 1) << "and each of its checkpoints and predictions, and its split";
}

TEST_F(CheckTest, AnEnsembleWithoutRowNeedsARebuild) {
  records_ = {};
  const CheckReport report = Run();
  ASSERT_THAT(report.problems, SizeIs(1 + 5));
  EXPECT_EQ(report.problems[0].kind, ProblemKind::kFolderWithoutRow);
  EXPECT_THAT(report.problems[0].text, HasSubstr("tutti fsck --rebuild"));
  EXPECT_EQ(report.alarms(), 0);
}

TEST_F(CheckTest, ChangesNothing) {
  DropRow(kStopped, 10);
  WriteTemporary(kStopped);
  fs::remove(FolderOf(kCurrent, 20) / "manifest.json");
  const auto before = std::distance(fs::recursive_directory_iterator(home_.path()), {});
  static_cast<void>(Run());
  EXPECT_EQ(std::distance(fs::recursive_directory_iterator(home_.path()), {}), before);
}

}  // namespace
}  // namespace tutti::storage
