#include "storage/checkpoints/adoption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/checkpoints.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

FoundCheckpoint Found(int attempt, int64_t step) {
  FoundCheckpoint found;
  found.manifest.attempt = Attempt(attempt);
  found.manifest.step = step;
  found.manifest.epoch = 1.5;
  found.manifest.metrics["validation_loss"] = 0.25;
  found.manifest.files = {{"model.safetensors", 100, "aa"}, {"training.safetensors", 200, "bb"}};
  found.manifest_hash = "cc";
  return found;
}

TEST(RecordOf, TellsAllThatTheCatalogKeeps) {
  EXPECT_EQ(RecordOf(Found(2, 4290)), (CheckpointRecord{.attempt = Attempt(2),
                                                        .step = 4290,
                                                        .state = CheckpointState::kCommitted,
                                                        .epoch = 1.5,
                                                        .folder = "members/lenet5-s0/attempt-2/step-00004290",
                                                        .manifest_hash = "cc",
                                                        .size_bytes = 300,
                                                        .validation_loss = 0.25}));
}

class InspectJobFoldersTest : public ::testing::Test {
 protected:
  // A checkpoint of an attempt that a coordinator prepared.
  FoundCheckpoint Train(const AttemptId& attempt, int64_t step) {
    FoundCheckpoint written = WriteCheckpoint(store_, attempt, step).value();
    Prepare(attempt);
    return written;
  }
  void Prepare(const AttemptId& attempt) const {
    Overwrite(home_ / "fashion-mnist-3" / AttemptFolder(attempt) / kTaskName, "{}");
  }

  testing::TemporaryFolder home_;
  CheckpointStore store_{PosixFileSystem(), home_ / "fashion-mnist-3"};
};

TEST_F(InspectJobFoldersTest, AJobWithoutFoldersHasNothing) {
  const auto folders = InspectJobFolders(store_, Attempt(1).job, {}).value();
  EXPECT_EQ(folders.highest_attempt, 0);
  EXPECT_THAT(folders.adopted, IsEmpty());
}

TEST_F(InspectJobFoldersTest, AdoptsTheNewestAttemptsCheckpointsByStep) {
  Train(Attempt(1), 5);
  for (const int64_t step : {20, 10, 30}) Train(Attempt(2), step);
  Train(Attempt(9, "resnet8-s0"), 10);
  const auto known = RecordOf(store_.Find(Attempt(2), 10).value());
  const auto folders = InspectJobFolders(store_, Attempt(1).job, std::vector{known}).value();
  EXPECT_EQ(folders.highest_attempt, 2) << "another member's attempts do not count";
  ASSERT_THAT(folders.adopted, SizeIs(2));
  EXPECT_EQ(folders.adopted[0].step, 20);
  EXPECT_EQ(folders.adopted[1].step, 30);
}

TEST_F(InspectJobFoldersTest, DoesNotTakeBackWhatIsBeingDeleted) {
  CheckpointRecord marked = RecordOf(Train(Attempt(1), 10));
  marked.state = CheckpointState::kDeleting;
  EXPECT_THAT(InspectJobFolders(store_, Attempt(1).job, std::vector{marked}).value().adopted, IsEmpty());
}

TEST_F(InspectJobFoldersTest, ARunByHandIsNotAdopted) {
  const auto ours = Train(Attempt(2), 10);
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(9), 30));  // of a folder without a coordinator's task
  const auto folders = InspectJobFolders(store_, Attempt(1).job, {}).value();
  EXPECT_THAT(folders.adopted, ElementsAre(RecordOf(ours)));
  EXPECT_EQ(folders.highest_attempt, 9) << "the next attempt's folder must be a new one";
}

TEST_F(InspectJobFoldersTest, WhatIsAdoptedSurvivesAPowerCutThoughItsTrainerDiedBeforeItsLastSync) {
  testing::FaultyFileSystem counting(PosixFileSystem());
  CheckpointStore counted(counting, home_ / "counted-1");
  ASSERT_TRUE(WriteCheckpoint(counted, Attempt(1), 10));

  testing::FaultyFileSystem faulty(PosixFileSystem());
  CheckpointStore store(faulty, home_ / "fashion-mnist-3");
  faulty.FailAt(counting.operations(), ErrorCode::kIo);
  ASSERT_FALSE(WriteCheckpoint(store, Attempt(1), 10));
  ASSERT_THAT(faulty.log().at(static_cast<size_t>(counting.operations()) - 2), HasSubstr("rename"));
  Prepare(Attempt(1));
  const auto folders = InspectJobFolders(store, Attempt(1).job, {}).value();
  ASSERT_THAT(folders.adopted, SizeIs(1));
  faulty.LoseAllUnsynced();
  EXPECT_TRUE(store_.Find(Attempt(1), 10)) << "its row is committed now";
}

TEST_F(InspectJobFoldersTest, AnAttemptThatHasRowsAndNoFolderIsStillTheNewest) {
  Train(Attempt(1), 10);
  const auto folders = InspectJobFolders(store_, Attempt(1).job, std::vector{RecordOf(Found(2, 10))}).value();
  EXPECT_THAT(folders.adopted, IsEmpty());
  EXPECT_EQ(folders.highest_attempt, 1);
}

TEST_F(InspectJobFoldersTest, ADamagedCheckpointIsQuarantinedInsteadOfAdopted) {
  const auto good = Train(Attempt(1), 10);
  const auto bad = Train(Attempt(1), 20);
  Overwrite(bad.folder / "model.safetensors", ModelBytes(3));  // the right size, the wrong bytes
  const auto folders = InspectJobFolders(store_, Attempt(1).job, {}).value();
  EXPECT_THAT(folders.adopted, ElementsAre(RecordOf(good)));
  ASSERT_THAT(folders.quarantined, SizeIs(1));
  EXPECT_THAT(folders.quarantined[0].reason, HasSubstr("model.safetensors"));
}

TEST_F(InspectJobFoldersTest, RecordedCheckpointsAreVerifiedFromTheNewestOnUntilOneIsWhole) {
  std::vector<CheckpointRecord> known;
  for (const int number : {1, 2}) {
    for (const int64_t step : {10, 20}) known.push_back(RecordOf(Train(Attempt(number), step)));
  }
  EXPECT_THAT(InspectJobFolders(store_, Attempt(1).job, known).value().unreadable, IsEmpty());
  const auto damage = [&](int number, int64_t step) {
    Overwrite(store_.Find(Attempt(number), step).value().folder / "model.safetensors", ModelBytes(3));
  };
  damage(1, 10);
  EXPECT_THAT(InspectJobFolders(store_, Attempt(1).job, known).value().unreadable, IsEmpty())
      << "one that nobody would go on from is not read";
  damage(2, 20);
  std::filesystem::remove_all(store_.Find(Attempt(2), 10).value().folder);
  const auto unreadable = InspectJobFolders(store_, Attempt(1).job, known).value().unreadable;
  ASSERT_THAT(unreadable, SizeIs(2));
  EXPECT_EQ(unreadable[0].row, known[3]);
  EXPECT_THAT(unreadable[0].reason, HasSubstr("model.safetensors"));
  EXPECT_EQ(unreadable[1].row, known[2]);
}

TEST_F(InspectJobFoldersTest, ACheckpointThatWasExchangedForAnotherIsNotGoneOnFrom) {
  CheckpointRecord known = RecordOf(Train(Attempt(1), 10));
  known.manifest_hash = "of another";
  const auto unreadable = InspectJobFolders(store_, Attempt(1).job, std::vector{known}).value().unreadable;
  ASSERT_THAT(unreadable, SizeIs(1));
  EXPECT_THAT(unreadable[0].reason, HasSubstr("not the one that was recorded"));
}

TEST_F(InspectJobFoldersTest, WhereNothingAtAllIsFoundNoCheckpointIsCondemned) {
  const auto folders = InspectJobFolders(store_, Attempt(1).job, std::vector{RecordOf(Found(1, 10))}).value();
  EXPECT_THAT(folders.unreadable, IsEmpty()) << "as when a disk is not mounted";
}

}  // namespace
}  // namespace tutti::storage
