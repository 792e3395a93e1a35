#include "storage/fsck/rebuild.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "storage/checkpoints/adoption.h"
#include "tests/storage/home_with_runs.h"
#include "tests/support/faulty_file_system.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RebuildTest : public HomeWithRuns {
 protected:
  RebuiltRecords Read() const {
    auto read = ReadFolders(PosixFileSystem(), home_.path());
    EXPECT_TRUE(read) << read.error().Text();
    return std::move(*read);
  }
  // The number of the first operation of `kind` on a path that ends with `end`.
  static int64_t OperationOf(const testing::FaultyFileSystem& files, const std::string& kind, const std::string& end) {
    const std::vector<std::string> log = files.log();
    for (size_t i = 0; i < log.size(); ++i) {
      if (log[i].starts_with(kind) && log[i].ends_with(end)) return static_cast<int64_t>(i) + 1;
    }
    TUTTI_CHECK(false);
  }
  static std::vector<JobState> States(const Records& records) {
    std::vector<JobState> states;
    for (const JobRecord& job : records.jobs) states.push_back(job.state);
    return states;
  }
};

TEST_F(RebuildTest, TheExperimentComesBackAndWaitsToBeResumed) {
  const auto [records, problems] = Read();
  EXPECT_THAT(problems, IsEmpty());
  ASSERT_THAT(records.ensembles, SizeIs(1));
  const EnsembleRecord& ensemble = records.ensembles[0];
  EXPECT_EQ(ensemble.id, EnsembleId("fashion-mnist-3"));
  EXPECT_EQ(ensemble.state, EnsembleState::kStopped);
  EXPECT_EQ(ensemble.spec, PosixFileSystem().Read(ensemble_ / "resolved.json").value());
  EXPECT_EQ(ensemble.spec_hash, HashText(ensemble.spec)) << "the same experiment is recognised again";
  EXPECT_EQ(ensemble.data_hash, "0123456789abcdef0123456789abcdef");
  EXPECT_TRUE(ensemble.split_drawn);
  EXPECT_FALSE(ensemble.combined);
  EXPECT_GT(ensemble.submitted_at, TimePoint());
}

TEST_F(RebuildTest, MembersAreFinishedOnlyWhereTheyWere) {
  const Records records = Read().records;
  ASSERT_THAT(records.jobs, SizeIs(3));
  EXPECT_EQ(records.jobs[0].id.name, ".inspect");
  EXPECT_EQ(records.jobs[1].id, kFinished.job);
  EXPECT_EQ(records.jobs[2].id, kCurrent.job);
  EXPECT_THAT(States(records), ElementsAre(JobState::kFinished, JobState::kFinished, JobState::kStopped));
  EXPECT_EQ(records.jobs[2].attempts, 2) << "the next attempt's number exceeds every folder's";
  EXPECT_EQ(records.jobs[2].maximum_slots, 2);
  EXPECT_THAT(records.jobs[2].after, ElementsAre(".inspect"));
}

TEST_F(RebuildTest, CheckpointsOfEveryAttemptComeBackAsTheyWereRecorded) {
  const Records records = Read().records;
  std::vector<CheckpointRecord> expected;
  for (const auto& [attempt, step] : std::vector<std::pair<AttemptId, int64_t>>{
           {kFinished, 10}, {kFinished, 20}, {kFinished, 30}, {kStopped, 10}, {kCurrent, 20}}) {
    expected.push_back(RecordOf(store_.Find(attempt, step).value()));
  }
  EXPECT_EQ(records.checkpoints, expected);
}

TEST_F(RebuildTest, AttemptsEpochsAndPredictionsComeBackFromWhatTrainersSaid) {
  const Records records = Read().records;
  ASSERT_THAT(records.attempts, SizeIs(4));
  EXPECT_EQ(records.attempts[1].exit_code, 0);
  EXPECT_EQ(records.attempts[2].exit_code, 75);
  EXPECT_EQ(records.attempts[3].exit_code, std::nullopt);
  EXPECT_EQ(records.attempts[3].resumed_from_step, 10);
  for (const AttemptRecord& attempt : records.attempts) {
    EXPECT_EQ(attempt.state, AttemptState::kEnded);
    EXPECT_EQ(static_cast<uint64_t>(attempt.acknowledged), fs::file_size(FolderOf(attempt.id) / "events.jsonl"));
  }
  ASSERT_THAT(records.epochs, SizeIs(5));
  EXPECT_EQ(records.epochs[1].epoch, 2);
  EXPECT_EQ(records.epochs[1].validation_loss, 1.0 / 20);
  ASSERT_THAT(records.predictions, SizeIs(2));
  EXPECT_EQ(records.predictions[0].split, Split::kTest);
  EXPECT_EQ(records.predictions[1].split, Split::kValidation);
  EXPECT_EQ(records.predictions[0].samples, 12);
  EXPECT_EQ(records.predictions[0].step, 30);
  EXPECT_EQ(records.predictions[0].hash,
            HashText(PosixFileSystem().Read(ensemble_ / records.predictions[0].file).value()));
}

TEST_F(RebuildTest, AnEnsembleThatWasCombinedIsFinished) {
  Train(kCurrent, 30, 0.2);
  Say(kCurrent, protocol::Finished{.step = 30, .train_seconds = 3});
  EXPECT_EQ(Read().records.ensembles[0].state, EnsembleState::kStopped) << "its members are yet to be combined";
  Append(ensemble_ / "results.json", "{}");
  const EnsembleRecord ensemble = Read().records.ensembles[0];
  EXPECT_EQ(ensemble.state, EnsembleState::kFinished);
  EXPECT_TRUE(ensemble.combined);
  EXPECT_TRUE(ensemble.ended_at.has_value());
}

TEST_F(RebuildTest, AMemberThatSaidItFinishedAndHasNoCheckpointHasNot) {
  for (const int64_t step : {10, 20, 30}) fs::remove_all(FolderOf(kFinished, step));
  EXPECT_THAT(States(Read().records), ElementsAre(JobState::kFinished, JobState::kStopped, JobState::kStopped));
}

TEST_F(RebuildTest, AMemberThatLostItsLastCheckpointHasNotFinishedThoughAnEarlierOneIsThere) {
  fs::remove_all(FolderOf(kFinished, 30));
  EXPECT_THAT(States(Read().records), ElementsAre(JobState::kFinished, JobState::kStopped, JobState::kStopped));
}

TEST_F(RebuildTest, AMemberWhoseLastAttemptOnlyPredictedHasFinished) {
  Train(kStopped, 30, 0.2);
  Say(kCurrent, protocol::Finished{.step = 30, .train_seconds = 3});
  EXPECT_THAT(States(Read().records), ElementsAre(JobState::kFinished, JobState::kFinished, JobState::kFinished));
}

TEST_F(RebuildTest, WithoutItsSplitTheDataAreInspectedAgain) {
  fs::remove(ensemble_ / "split.safetensors");
  const Records records = Read().records;
  EXPECT_FALSE(records.ensembles[0].split_drawn);
  EXPECT_EQ(records.jobs[0].state, JobState::kStopped);
}

TEST_F(RebuildTest, WithoutTheInspectionTheMembersTasksTellWhatTheDataWas) {
  fs::remove_all(ensemble_ / "members/.inspect");
  EXPECT_EQ(Read().records.ensembles[0].data_hash, "");
  EXPECT_FALSE(Read().records.ensembles[0].split_drawn);
  std::ofstream(FolderOf(kStopped) / "task.json") << R"({"data_hash": "0123"})";
  EXPECT_EQ(Read().records.ensembles[0].data_hash, "0123");
}

TEST_F(RebuildTest, ALineThatACrashCutIsNotCounted) {
  const auto whole = fs::file_size(FolderOf(kCurrent) / "events.jsonl");
  Append(FolderOf(kCurrent) / "events.jsonl", "{\"event\": \"epo");
  const Records records = Read().records;
  EXPECT_EQ(static_cast<uint64_t>(records.attempts[3].acknowledged), whole);
}

TEST_F(RebuildTest, LinesThatAreNoEventsArePassedOver) {
  Append(FolderOf(kCurrent) / "events.jsonl", "garbage\n{\"event\": \"sang\"}\n\n[]\n");
  Train(kCurrent, 30, 0.2);
  EXPECT_THAT(Read().records.epochs, SizeIs(6)) << "what follows them counts";
}

TEST_F(RebuildTest, PredictionsWithoutEventsAreFoundByTheirFiles) {
  fs::remove(FolderOf(kFinished) / "events.jsonl");
  const Records records = Read().records;
  ASSERT_THAT(records.predictions, SizeIs(2));
  EXPECT_EQ(records.predictions[0].predictor, "last");
  EXPECT_EQ(records.predictions[0].samples, 12);
  EXPECT_EQ(records.predictions[0].step, 30);
  EXPECT_EQ(records.jobs[1].state, JobState::kStopped) << "nobody says that it finished";
}

TEST_F(RebuildTest, PredictionsThatCannotBeReadAreLeftOut) {
  Overwrite(ensemble_ / AttemptFolder(kFinished) / "predictions/last/test.safetensors", "half");
  const Records records = Read().records;
  ASSERT_THAT(records.predictions, SizeIs(1));
  EXPECT_EQ(records.predictions[0].split, Split::kValidation);
  EXPECT_EQ(records.jobs[1].state, JobState::kStopped) << "its next attempt predicts again";
}

TEST_F(RebuildTest, AMemberThatLostAllItsPredictionsHasNotFinished) {
  Append(ensemble_ / "results.json", "{}");
  Train(kCurrent, 30, 0.2);
  Say(kCurrent, protocol::Finished{.step = 30, .train_seconds = 3});
  fs::remove_all(FolderOf(kFinished) / "predictions");
  const auto [records, problems] = Read();
  EXPECT_THAT(States(records), ElementsAre(JobState::kFinished, JobState::kStopped, JobState::kFinished));
  EXPECT_EQ(records.ensembles[0].state, EnsembleState::kStopped) << "an answer without it would not be the ensemble's";
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_EQ(problems[0].kind, ProblemKind::kRowWithoutFolder);
  EXPECT_EQ(problems[0].path, FolderOf(kFinished) / "predictions/last/test.safetensors");
  EXPECT_THAT(problems[0].text, HasSubstr("lenet5-s0 predicts again once its ensemble is resumed"));
}

TEST_F(RebuildTest, PredictionsOfOtherBytesThanWereWrittenAreLeftOut) {
  const fs::path file = FolderOf(kFinished) / "predictions/last/test.safetensors";
  std::string bytes = PosixFileSystem().Read(file).value();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Overwrite(file, bytes);
  const auto [records, problems] = Read();
  EXPECT_THAT(records.predictions, SizeIs(1));
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].kind, ProblemKind::kDamaged);
  EXPECT_EQ(problems[0].path, file);
}

TEST_F(RebuildTest, AMemberThatPredictedAgainHasFinishedThoughItsEarlierPredictionsAreLost) {
  const AttemptId again{kFinished.job, 2};
  Prepare(again);
  for (const Split split : {Split::kValidation, Split::kTest}) Predict(again, "last", split, 12);
  Say(again, protocol::Finished{.step = 30, .train_seconds = 3.75});
  fs::remove_all(FolderOf(kFinished) / "predictions");
  const auto [records, problems] = Read();
  EXPECT_EQ(records.jobs[1].state, JobState::kFinished);
  EXPECT_THAT(problems, IsEmpty());
}

TEST_F(RebuildTest, PredictionsThatADiskDoesNotGiveNowAreNotTakenForLost) {
  testing::FaultyFileSystem files(PosixFileSystem());
  ASSERT_TRUE(ReadFolders(files, home_.path()));
  testing::FaultyFileSystem faulty(PosixFileSystem());
  faulty.FailAt(OperationOf(files, "read", "predictions/last/test.safetensors"), ErrorCode::kIo);
  const auto read = ReadFolders(faulty, home_.path());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
}

TEST_F(RebuildTest, AnEnsembleWhoseExperimentTheDiskDoesNotGiveNowIsNotLeftOut) {
  testing::FaultyFileSystem files(PosixFileSystem());
  ASSERT_TRUE(ReadFolders(files, home_.path()));
  testing::FaultyFileSystem faulty(PosixFileSystem());
  faulty.FailAt(OperationOf(files, "stat", "resolved.json"), ErrorCode::kDenied);
  const auto read = ReadFolders(faulty, home_.path());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kDenied);
}

TEST_F(RebuildTest, ASplitThatTheDiskDoesNotGiveNowIsNotTakenForLost) {
  testing::FaultyFileSystem files(PosixFileSystem());
  ASSERT_TRUE(ReadFolders(files, home_.path()));
  testing::FaultyFileSystem faulty(PosixFileSystem());
  faulty.FailAt(OperationOf(files, "stat", "split.safetensors"), ErrorCode::kIo);
  const auto read = ReadFolders(faulty, home_.path());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
}

TEST_F(RebuildTest, AnAttemptThatSaidNothingHasNoTimeOfItsEnd) {
  fs::remove(FolderOf(kCurrent) / "events.jsonl");
  const Records records = Read().records;
  EXPECT_FALSE(records.attempts[3].ended_at.has_value());
  EXPECT_TRUE(records.attempts[2].ended_at.has_value());
}

TEST_F(RebuildTest, AnAttemptThatADiskWasTooFullToPrepareIsNoRunByHand) {
  fs::create_directories(FolderOf({kCurrent.job, 3}));
  const auto [records, problems] = Read();
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_THAT(records.attempts, SizeIs(4));
  EXPECT_EQ(records.jobs[2].attempts, 3);
}

TEST_F(RebuildTest, ARunByHandIsNamedAndNotTakenIn) {
  const AttemptId by_hand{kCurrent.job, 9};
  Train(by_hand, 30, 0.1);
  Say(by_hand, protocol::Finished{.step = 30, .train_seconds = 3});
  const auto [records, problems] = Read();
  EXPECT_THAT(records.checkpoints, SizeIs(5));
  EXPECT_THAT(records.attempts, SizeIs(4));
  EXPECT_EQ(records.jobs[2].state, JobState::kStopped);
  EXPECT_EQ(records.jobs[2].attempts, 9) << "its folder is not written over";
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].path, FolderOf(by_hand));
  EXPECT_THAT(problems[0].text, HasSubstr("by hand"));
}

TEST_F(RebuildTest, ADamagedCheckpointIsNamedAndNotTakenIn) {
  Overwrite(FolderOf(kCurrent, 20) / "model.safetensors", ModelBytes(5));
  const auto [records, problems] = Read();
  EXPECT_THAT(records.checkpoints, SizeIs(4));
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_EQ(problems[0].path, FolderOf(kCurrent, 20));
}

TEST_F(RebuildTest, AnExperimentThatCannotBeReadIsNamedAndDoesNotStopTheOthers) {
  Append(home_ / "broken-1/resolved.json", "{\"version\": 1");
  Append(home_ / "empty-1/resolved.json", "{}");
  fs::create_directories(home_ / "cache");
  const auto [records, problems] = Read();
  EXPECT_THAT(records.ensembles, SizeIs(1));
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_THAT(problems[0].text, HasSubstr("experiment cannot be read"));
}

TEST_F(RebuildTest, AMemberThatTheExperimentDoesNotHaveIsNamed) {
  fs::create_directories(ensemble_ / "members/stranger/attempt-1");
  const auto [records, problems] = Read();
  EXPECT_THAT(records.jobs, SizeIs(3));
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].path.string(), HasSubstr("stranger"));
}

TEST_F(RebuildTest, TheCatalogThatIsMadeHoldsExactlyThat) {
  {
    auto rebuilt = Rebuild(PosixFileSystem(), home_.path());
    ASSERT_TRUE(rebuilt) << rebuilt.error().Text();
    EXPECT_EQ(rebuilt->catalog.generation(), Generation{1});
    EXPECT_EQ(rebuilt->catalog.HighestNumber("fashion-mnist").value(), 3);
  }
  EXPECT_EQ(Catalog::ReadNewest(PosixFileSystem(), home_.path()).value(), Read().records);
}

TEST_F(RebuildTest, ADeletedCatalogIsRegainedAndTheNextCoordinatorGoesOnFromIt) {
  {
    auto catalog = Catalog::Open(PosixFileSystem(), home_.path()).value();
    std::vector<Change> changes;
    for (const auto& record : Read().records.checkpoints) changes.push_back(Record(record));
    ASSERT_TRUE(catalog.Commit(changes));
  }
  fs::remove_all(home_ / "catalog");
  ASSERT_TRUE(Rebuild(PosixFileSystem(), home_.path()));
  const auto next = Catalog::Open(PosixFileSystem(), home_.path());
  ASSERT_TRUE(next) << next.error().Text();
  EXPECT_EQ(next->Load().value(), Read().records);
}

TEST_F(RebuildTest, TheNumberOfAnEnsembleThatWasRemovedIsNotGivenAgain) {
  {
    auto catalog = Catalog::Open(PosixFileSystem(), home_.path()).value();
    EnsembleRecord removed = Read().records.ensembles[0];
    removed.id = EnsembleId("fashion-mnist-8");
    const std::vector<Change> add = {Record(removed)};
    ASSERT_TRUE(catalog.Commit(add));
    const std::vector<Change> erase = {Erasure(removed.id)};
    ASSERT_TRUE(catalog.Commit(erase));
  }
  EXPECT_EQ(Rebuild(PosixFileSystem(), home_.path())->catalog.HighestNumber("fashion-mnist").value(), 8);
}

TEST_F(RebuildTest, AnEmptyHomeGivesAnEmptyCatalog) {
  const testing::TemporaryFolder empty;
  EXPECT_EQ(ReadFolders(PosixFileSystem(), empty.path()).value().records, Records{});
  EXPECT_EQ(ReadFolders(PosixFileSystem(), empty / "nowhere").value().records, Records{});
}

}  // namespace
}  // namespace tutti::storage
