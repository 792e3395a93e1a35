#include "storage/catalog/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/storage/records.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CatalogTest : public ::testing::Test {
 protected:
  Result<Catalog> Open() { return Catalog::Open(PosixFileSystem(), home_.path()); }
  Result<Records> ReadNewest() { return Catalog::ReadNewest(PosixFileSystem(), home_.path()); }

  // A coordinator that records one ensemble and leaves.
  void RunOnce(const std::string& ensemble) {
    auto catalog = Open();
    ASSERT_TRUE(catalog) << catalog.error().Text();
    ASSERT_TRUE(CommitOne(*catalog, Ensemble(ensemble)));
  }

  std::vector<std::string> Folders() const {
    std::vector<std::string> names;
    const auto entries = PosixFileSystem().List(home_ / "catalog").value();
    for (const FileInfo& entry : entries) names.push_back(entry.name);
    return names;
  }

  void Damage(const std::string& generation) const {
    std::fstream file(home_ / "catalog" / generation / "catalog.db", std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file);
    file.seekp(100);  // behind the file's header: the page that says which tables there are
    file << std::string(3000, '\x7f');
  }

  testing::TemporaryFolder home_;
};

TEST_F(CatalogTest, TheFirstGenerationIsEmpty) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog) << catalog.error().Text();
  EXPECT_EQ(catalog->generation(), Generation{1});
  EXPECT_EQ(catalog->Load().value(), Records{});
  EXPECT_TRUE(fs::exists(home_ / "catalog/0001/catalog.db"));
}

TEST_F(CatalogTest, RecordsComeBackExactly) {
  const Records records = HardRecords();
  {
    auto catalog = Open().value();
    const auto committed = catalog.Commit(ChangesOf(records));
    ASSERT_TRUE(committed) << committed.error().Text();
    EXPECT_EQ(catalog.Load().value(), records);
  }
  EXPECT_EQ(Open()->Load().value(), records) << "and after a restart";
}

TEST_F(CatalogTest, ALossThatIsNoNumberIsNotTakenForOneThatIsNotThere) {
  auto catalog = Open().value();
  EpochRecord epoch = HardRecords().epochs[0];
  epoch.train_loss = std::nan("");
  epoch.validation_loss = std::nan("");
  epoch.validation_accuracy = std::nullopt;
  ASSERT_TRUE(CommitOne(catalog, epoch));
  const auto loaded = catalog.Load().value().epochs;
  ASSERT_THAT(loaded, SizeIs(1));
  EXPECT_TRUE(std::isnan(loaded[0].train_loss));
  ASSERT_TRUE(loaded[0].validation_loss.has_value());
  EXPECT_TRUE(std::isnan(*loaded[0].validation_loss));
  EXPECT_FALSE(loaded[0].validation_accuracy.has_value());
}

TEST_F(CatalogTest, ARecordOfTheSameKeyIsReplaced) {
  auto catalog = Open().value();
  ASSERT_TRUE(CommitOne(catalog, Ensemble("a-1")));
  ASSERT_TRUE(CommitOne(catalog, Ensemble("a-1", EnsembleState::kFinished)));
  EXPECT_THAT(catalog.Load().value().ensembles, ElementsAre(Ensemble("a-1", EnsembleState::kFinished)));
}

TEST_F(CatalogTest, RecordsAreOrderedByKeyWhateverTheOrderOfCommits) {
  auto catalog = Open().value();
  for (const int64_t step : {30, 10, 20}) ASSERT_TRUE(CommitOne(catalog, Checkpoint("a-1", "m", 2, step)));
  ASSERT_TRUE(CommitOne(catalog, Checkpoint("a-1", "m", 1, 40)));
  EXPECT_THAT(catalog.Load().value().checkpoints,
              ElementsAre(Checkpoint("a-1", "m", 1, 40), Checkpoint("a-1", "m", 2, 10), Checkpoint("a-1", "m", 2, 20),
                          Checkpoint("a-1", "m", 2, 30)));
}

TEST_F(CatalogTest, ErasingACheckpointTakesThatOne) {
  auto catalog = Open().value();
  const std::vector<Change> both = {Record(Checkpoint("a-1", "m", 1, 10)), Record(Checkpoint("a-1", "m", 1, 20))};
  ASSERT_TRUE(catalog.Commit(both));
  const std::vector<Change> erase = {Removal(CheckpointKey{Checkpoint("a-1", "m", 1, 10).attempt, 10})};
  ASSERT_TRUE(catalog.Commit(erase));
  EXPECT_THAT(catalog.Load().value().checkpoints, ElementsAre(Checkpoint("a-1", "m", 1, 20)));
}

TEST_F(CatalogTest, ErasingAnEnsembleTakesAllThatBelongsToItAndNothingElse) {
  auto catalog = Open().value();
  ASSERT_TRUE(catalog.Commit(ChangesOf(HardRecords())));
  const std::vector<Change> other = {Record(Ensemble("fashion-mnist-33")), Record(Job("fashion-mnist-33", "m")),
                                     Record(Checkpoint("fashion-mnist-33", "m", 1, 10))};
  ASSERT_TRUE(catalog.Commit(other));
  const std::vector<Change> erase = {Removal(EnsembleId("fashion-mnist-3"))};
  ASSERT_TRUE(catalog.Commit(erase));
  Records expected;
  expected.ensembles = {Ensemble("fashion-mnist-33")};
  expected.jobs = {Job("fashion-mnist-33", "m")};
  expected.checkpoints = {Checkpoint("fashion-mnist-33", "m", 1, 10)};
  expected.drains = HardRecords().drains;
  EXPECT_EQ(catalog.Load().value(), expected);
}

TEST_F(CatalogTest, NumbersOfErasedEnsemblesAreNotGivenAgain) {
  {
    auto catalog = Open().value();
    EXPECT_EQ(catalog.HighestNumber("fashion-mnist").value(), 0);
    for (const std::string id :
         {"fashion-mnist-9", "fashion-mnist-10", "fashion-mnist-2", "fashion-7", "odd", "odd-2147483647"}) {
      ASSERT_TRUE(CommitOne(catalog, Ensemble(id)));
    }
    const std::vector<Change> erase = {Removal(EnsembleId("fashion-mnist-10"))};
    ASSERT_TRUE(catalog.Commit(erase));
  }
  const auto catalog = Open().value();
  EXPECT_EQ(catalog.HighestNumber("fashion-mnist").value(), 10);
  EXPECT_EQ(catalog.HighestNumber("fashion").value(), 7);
  EXPECT_EQ(catalog.HighestNumber("od").value(), 0);
  EXPECT_EQ(catalog.HighestNumber("odd").value(), 0) << "made by hand: no number follows it";
}

// ---- generations ----

TEST_F(CatalogTest, EachStartIsAGenerationAndTheLastThreeStay) {
  for (int64_t start = 1; start <= 5; ++start) {
    auto catalog = Open();
    ASSERT_TRUE(catalog) << catalog.error().Text();
    EXPECT_EQ(catalog->generation(), Generation{start});
    EXPECT_THAT(catalog->Load().value().jobs, SizeIs(static_cast<size_t>(start - 1)));
    ASSERT_TRUE(CommitOne(*catalog, Job("a-1", fmt::format("m{}", start))));
  }
  EXPECT_THAT(Folders(), ElementsAre("0003", "0004", "0005"));
}

TEST_F(CatalogTest, TheOlderOfTwoFindsOutAndWritesNothing) {
  auto first = Open().value();
  ASSERT_TRUE(CommitOne(first, Ensemble("a-1")));
  EXPECT_TRUE(first.IsNewest().value());

  auto second = Open().value();
  EXPECT_FALSE(first.IsNewest().value());
  EXPECT_TRUE(second.IsNewest().value());
  const auto refused = CommitOne(first, Ensemble("a-2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().Text(), HasSubstr("took over"));

  EXPECT_THAT(first.Load().value().ensembles, ElementsAre(Ensemble("a-1")));
  EXPECT_THAT(second.Load().value().ensembles, ElementsAre(Ensemble("a-1")));
  ASSERT_TRUE(CommitOne(second, Ensemble("a-3")));
  EXPECT_THAT(ReadNewest().value().ensembles, ElementsAre(Ensemble("a-1"), Ensemble("a-3")));
}

TEST_F(CatalogTest, AStartInTheMiddleOfACommitKeepsItFromBeingAcknowledged) {
  testing::FaultyFileSystem files(PosixFileSystem());
  auto first = Catalog::Open(files, home_.path()).value();
  const int64_t look_before_the_commit = files.operations() + 1;
  std::optional<Catalog> second;
  files.Before(look_before_the_commit + 1, [&] { second = Open().value(); });
  EXPECT_EQ(CommitOne(first, Ensemble("a-1")).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(second.has_value());
}

TEST_F(CatalogTest, AfterAFailedCommitTheOwnerMustEnd) {
  testing::FaultyFileSystem files(PosixFileSystem());
  auto catalog = Catalog::Open(files, home_.path()).value();
  files.FailAt(files.operations() + 1, ErrorCode::kIo);
  EXPECT_EQ(CommitOne(catalog, Ensemble("a-1")).error().code, ErrorCode::kIo);
  EXPECT_FALSE(CommitOne(catalog, Ensemble("a-2"))) << "memory is ahead of the disk";
  EXPECT_THAT(ReadNewest().value().ensembles, IsEmpty());
}

TEST_F(CatalogTest, ADamagedGenerationIsPassedOverWithAWarning) {
  RunOnce("a-1");
  { ASSERT_TRUE(Open()); }
  Damage("0002");
  const auto catalog = Open();
  ASSERT_TRUE(catalog) << catalog.error().Text();
  EXPECT_EQ(catalog->generation(), Generation{3});
  EXPECT_THAT(catalog->Load().value().ensembles, ElementsAre(Ensemble("a-1")));
  EXPECT_THAT(catalog->warnings(), ElementsAre(HasSubstr("generation 2 of the catalog is damaged")));
}

TEST_F(CatalogTest, ReadingTellsOfADamagedGenerationThatItPassedOver) {
  RunOnce("a-1");
  { ASSERT_TRUE(Open()); }
  Damage("0002");
  std::vector<std::string> warnings;
  const auto records = Catalog::ReadNewest(PosixFileSystem(), home_.path(), &warnings);
  ASSERT_TRUE(records) << records.error().Text();
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("generation 2 of the catalog is damaged")));
}

TEST_F(CatalogTest, WhenEveryGenerationIsDamagedTheErrorNamesTheRebuild) {
  RunOnce("a-1");
  Damage("0001");
  const auto catalog = Open();
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(catalog.error().Text(), HasSubstr("tutti fsck --rebuild"));
  EXPECT_EQ(ReadNewest().error().code, ErrorCode::kCorrupt);
}

TEST_F(CatalogTest, WhatIsNoDatabaseIsDamaged) {
  RunOnce("a-1");
  std::ofstream(home_ / "catalog/0001/catalog.db", std::ios::trunc) << std::string(5000, 'x');
  EXPECT_EQ(Open().error().code, ErrorCode::kCorrupt);
}

TEST_F(CatalogTest, AGenerationThatWasNeverBegunIsPassedOver) {
  RunOnce("a-1");
  fs::create_directories(home_ / "catalog/0002");  // a coordinator that died at its start
  const auto catalog = Open();
  ASSERT_TRUE(catalog) << catalog.error().Text();
  EXPECT_EQ(catalog->generation(), Generation{3});
  EXPECT_THAT(catalog->Load().value().ensembles, ElementsAre(Ensemble("a-1")));
  EXPECT_THAT(catalog->warnings(), IsEmpty());
}

TEST_F(CatalogTest, TheFirstGenerationsThatWereNeverBegunMayBeEmpty) {
  for (const std::string name : {"0001", "0002"}) {
    fs::create_directories(home_ / "catalog" / name);
    std::ofstream(home_ / "catalog" / name / "catalog.db");
  }
  const auto catalog = Open();
  ASSERT_TRUE(catalog) << catalog.error().Text();
  EXPECT_EQ(catalog->generation(), Generation{3});
  EXPECT_THAT(catalog->warnings(), IsEmpty());
}

TEST_F(CatalogTest, ADatabaseThatWasEmptiedIsDamagedWhereAnOlderOneIs) {
  RunOnce("a-1");
  RunOnce("a-2");
  fs::resize_file(home_ / "catalog/0002/catalog.db", 0);
  std::vector<std::string> warnings;
  EXPECT_THAT(Catalog::ReadNewest(PosixFileSystem(), home_.path(), &warnings)->ensembles, ElementsAre(Ensemble("a-1")));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("generation 2 of the catalog is damaged")));
  const auto catalog = Open();
  ASSERT_TRUE(catalog) << catalog.error().Text();
  EXPECT_THAT(catalog->Load().value().ensembles, ElementsAre(Ensemble("a-1")));
  EXPECT_THAT(catalog->warnings(), ElementsAre(HasSubstr("generation 2 of the catalog is damaged")));
}

TEST_F(CatalogTest, ADatabaseThatWasEmptiedBesideItsLogIsDamaged) {
  RunOnce("a-1");
  fs::resize_file(home_ / "catalog/0001/catalog.db", 0);
  std::ofstream(home_ / "catalog/0001/catalog.db-wal") << "commits";
  EXPECT_EQ(Open().error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(Folders(), ElementsAre("0001"));
}

TEST_F(CatalogTest, AStartThatFailsLeavesNoGenerationBehind) {
  RunOnce("a-1");
  for (int64_t operation = 1;; ++operation) {
    testing::FaultyFileSystem files(PosixFileSystem());
    files.CutShortAt(operation, ErrorCode::kNoSpace);
    const bool started = Catalog::Open(files, home_.path()).has_value();
    if (!files.fault_happened()) {
      EXPECT_GT(operation, 15) << "a start has more steps than that";
      break;
    }
    if (started) fs::remove_all(home_ / "catalog/0002");  // it could do without that step
    EXPECT_THAT(Folders(), ElementsAre("0001")) << "operation " << operation << ": " << files.log().back();
    if (HasFailure()) return;
  }
}

TEST_F(CatalogTest, EmptyGenerationsDoNotCountAmongThoseThatStay) {
  for (const std::string name : {"a-1", "a-2"}) RunOnce(name);
  fs::create_directories(home_ / "catalog/0003");  // two coordinators that were killed at their start
  fs::create_directories(home_ / "catalog/0004");
  { ASSERT_TRUE(Open()); }
  EXPECT_THAT(Folders(), ElementsAre("0001", "0002", "0003", "0004", "0005"));
  { ASSERT_TRUE(Open()); }
  EXPECT_THAT(Folders(), ElementsAre("0002", "0003", "0004", "0005", "0006"));
}

TEST_F(CatalogTest, FoldersThatAreNoGenerationsAreLeftAlone) {
  fs::create_directories(home_ / "catalog/backup");
  fs::create_directories(home_ / "catalog/12");
  EXPECT_EQ(Open()->generation(), Generation{1});
  EXPECT_THAT(Folders(), ElementsAre("0001", "12", "backup"));
}

TEST_F(CatalogTest, KeyOfASubmissionIsFoundUntilItsEnsembleIsErased) {
  {
    auto catalog = Open().value();
    const std::vector<Change> submission = {Record(Ensemble("a-1")), SubmissionKey{"mine", EnsembleId("a-1")}};
    ASSERT_TRUE(catalog.Commit(submission));
    EXPECT_EQ(catalog.FindSubmission("other").value(), std::nullopt);
  }
  auto catalog = Open().value();
  EXPECT_EQ(catalog.FindSubmission("mine").value(), EnsembleId("a-1")) << "the next generation knows it";
  const std::vector<Change> erase = {Removal(EnsembleId("a-1"))};
  ASSERT_TRUE(catalog.Commit(erase));
  EXPECT_EQ(catalog.FindSubmission("mine").value(), std::nullopt);
}

TEST_F(CatalogTest, ReplaceHoldsTheNewRecordsAlone) {
  RunOnce("old-1");
  Damage("0001");
  {
    const auto replaced = Catalog::Replace(PosixFileSystem(), home_.path(), HardRecords());
    ASSERT_TRUE(replaced) << replaced.error().Text();
    EXPECT_EQ(replaced->generation(), Generation{2});
    EXPECT_EQ(replaced->Load().value(), HardRecords());
    EXPECT_EQ(replaced->HighestNumber("fashion-mnist").value(), 3);
  }
  EXPECT_EQ(Open()->Load().value(), HardRecords());
}

// ---- reading without a coordinator ----

TEST_F(CatalogTest, ReadingAHomeWithoutCatalogIsNotFound) {
  EXPECT_EQ(ReadNewest().error().code, ErrorCode::kNotFound);
  fs::create_directories(home_ / "catalog");
  EXPECT_EQ(ReadNewest().error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Catalog::ReadNewest(PosixFileSystem(), home_ / "nowhere").error().code, ErrorCode::kNotFound);
}

TEST_F(CatalogTest, ReadingSeesWhatALivingCoordinatorCommittedAndDoesNotDisturbIt) {
  auto catalog = Open().value();
  ASSERT_TRUE(CommitOne(catalog, Ensemble("a-1")));
  EXPECT_THAT(ReadNewest().value().ensembles, ElementsAre(Ensemble("a-1")));
  EXPECT_TRUE(catalog.IsNewest().value());
  ASSERT_TRUE(CommitOne(catalog, Ensemble("a-2")));
  EXPECT_THAT(ReadNewest().value().ensembles, SizeIs(2));
  EXPECT_THAT(Folders(), ElementsAre("0001"));
}

TEST_F(CatalogTest, ReadingLeavesNoTemporaryFolder) {
  RunOnce("a-1");
  const testing::TemporaryFolder temporary;
  ASSERT_EQ(::setenv("TMPDIR", temporary.path().c_str(), 1), 0);
  EXPECT_TRUE(ReadNewest());
  ::unsetenv("TMPDIR");
  EXPECT_TRUE(fs::is_empty(temporary.path()));
}

TEST_F(CatalogTest, ReadingRemovesWhatAKilledReaderLeftAndNothingElse) {
  RunOnce("a-1");
  const testing::TemporaryFolder temporary;
  for (const char* name : {"tutti-catalog-oldone", "tutti-catalog-copied", "tutti-backup"}) {
    fs::create_directories(temporary.path() / name);
    if (std::string(name) == "tutti-catalog-copied") continue;
    fs::last_write_time(temporary.path() / name, fs::file_time_type::clock::now() - std::chrono::hours(2));
  }
  ASSERT_EQ(::setenv("TMPDIR", temporary.path().c_str(), 1), 0);
  EXPECT_TRUE(ReadNewest());
  ::unsetenv("TMPDIR");
  EXPECT_FALSE(fs::exists(temporary.path() / "tutti-catalog-oldone"));
  EXPECT_TRUE(fs::exists(temporary.path() / "tutti-catalog-copied")) << "perhaps somebody copies";
  EXPECT_TRUE(fs::exists(temporary.path() / "tutti-backup"));
}

TEST_F(CatalogTest, ManyCommitsPassThroughCheckpointsOfTheLog) {
  auto catalog = Open().value();
  EnsembleRecord large = Ensemble("a-1");
  large.spec = std::string(200'000, 's');
  for (int i = 0; i < 60; ++i) {  // more than a thousand pages: SQLite moves its log into the database meanwhile
    large.note = std::to_string(i);
    ASSERT_TRUE(CommitOne(catalog, large));
    if (i % 10 == 0) {
      EXPECT_EQ(ReadNewest().value().ensembles.at(0).note, std::to_string(i));
    }
  }
  EXPECT_EQ(Open()->Load().value().ensembles.at(0).note, "59");
}

}  // namespace
}  // namespace tutti::storage
