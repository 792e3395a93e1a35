#include "storage/checkpoints/adoption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/checkpoints.h"
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

TEST(ChooseForAdoption, TakesWhatTheNewestAttemptWroteAndNobodyRecorded) {
  const std::vector<FoundCheckpoint> found = {Found(2, 10), Found(2, 20)};
  const std::vector<CheckpointRecord> known = {RecordOf(Found(2, 10))};
  EXPECT_THAT(ChooseForAdoption(Attempt(2), found, known), ElementsAre(RecordOf(Found(2, 20))));
}

TEST(ChooseForAdoption, LeavesOlderAttemptsAlone) {
  // A fenced attempt may have written after its replacement was granted.
  EXPECT_THAT(ChooseForAdoption(Attempt(2), std::vector{Found(1, 30)}, {}), IsEmpty());
}

TEST(ChooseForAdoption, DoesNotTakeBackWhatIsBeingDeleted) {
  CheckpointRecord marked = RecordOf(Found(2, 10));
  marked.state = CheckpointState::kDeleting;
  EXPECT_THAT(ChooseForAdoption(Attempt(2), std::vector{Found(2, 10)}, std::vector{marked}), IsEmpty());
}

class InspectJobFoldersTest : public ::testing::Test {
 protected:
  testing::TemporaryFolder home_;
  CheckpointStore store_{PosixFileSystem(), home_ / "fashion-mnist-3"};
};

TEST_F(InspectJobFoldersTest, AJobWithoutFoldersHasNothing) {
  const auto folders = InspectJobFolders(store_, Attempt(1).job, {}).value();
  EXPECT_EQ(folders.highest_attempt, 0);
  EXPECT_THAT(folders.adopted, IsEmpty());
}

TEST_F(InspectJobFoldersTest, AdoptsTheNewestAttemptsCheckpointsByStep) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 5));
  for (const int64_t step : {20, 10, 30}) ASSERT_TRUE(WriteCheckpoint(store_, Attempt(2), step));
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(9, "resnet8-s0"), 10));
  const auto known = RecordOf(store_.Find(Attempt(2), 10).value());
  const auto folders = InspectJobFolders(store_, Attempt(1).job, std::vector{known}).value();
  EXPECT_EQ(folders.highest_attempt, 2) << "another member's attempts do not count";
  ASSERT_THAT(folders.adopted, SizeIs(2));
  EXPECT_EQ(folders.adopted[0].step, 20);
  EXPECT_EQ(folders.adopted[1].step, 30);
}

TEST_F(InspectJobFoldersTest, AnAttemptThatHasRowsAndNoFolderIsStillTheNewest) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  const auto folders = InspectJobFolders(store_, Attempt(1).job, std::vector{RecordOf(Found(2, 10))}).value();
  EXPECT_THAT(folders.adopted, IsEmpty());
  EXPECT_EQ(folders.highest_attempt, 1);
}

TEST_F(InspectJobFoldersTest, ADamagedCheckpointIsQuarantinedInsteadOfAdopted) {
  const auto good = WriteCheckpoint(store_, Attempt(1), 10).value();
  const auto bad = WriteCheckpoint(store_, Attempt(1), 20).value();
  Overwrite(bad.folder / "model.safetensors", ModelBytes(3));  // the right size, the wrong bytes
  const auto folders = InspectJobFolders(store_, Attempt(1).job, {}).value();
  EXPECT_THAT(folders.adopted, ElementsAre(RecordOf(good)));
  ASSERT_THAT(folders.quarantined, SizeIs(1));
  EXPECT_THAT(folders.quarantined[0].reason, HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace tutti::storage
