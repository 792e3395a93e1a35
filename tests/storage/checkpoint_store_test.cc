#include "storage/checkpoints/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/hash.h"
#include "tests/storage/checkpoints.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class CheckpointStoreTest : public ::testing::Test {
 protected:
  fs::path FolderOf(const AttemptId& attempt, int64_t step) const {
    return ensemble_folder_ / AttemptFolder(attempt) / StepFolderName(step);
  }

  testing::TemporaryFolder home_;
  fs::path ensemble_folder_ = home_ / "fashion-mnist-3";
  CheckpointStore store_{PosixFileSystem(), ensemble_folder_};
};

TEST_F(CheckpointStoreTest, FolderNamesAreThoseOfTheDocumentation) {
  EXPECT_EQ(StepFolderName(4290), "step-00004290");
  EXPECT_EQ(StepFolderName(1234567890), "step-1234567890");
  EXPECT_EQ(AttemptFolder(Attempt(2)), "members/lenet5-s0/attempt-2");
}

TEST_F(CheckpointStoreTest, WhatIsCommittedIsFoundWithItsHashes) {
  const auto written = WriteCheckpoint(store_, Attempt(1), 10, 0.25);
  ASSERT_TRUE(written) << written.error().Text();
  EXPECT_EQ(written->folder, FolderOf(Attempt(1), 10));

  const auto found = store_.Find(Attempt(1), 10);
  ASSERT_TRUE(found) << found.error().Text();
  EXPECT_EQ(found->manifest, written->manifest);
  EXPECT_EQ(found->manifest_hash, written->manifest_hash);
  EXPECT_EQ(found->manifest.metrics.at("validation_loss"), 0.25);
  EXPECT_THAT(found->manifest.files, ElementsAre(FileEntry{"model.safetensors", 1000, HashText(ModelBytes(10))},
                                                 FileEntry{"training.safetensors", 1000, HashText(ModelBytes(11))}));
  EXPECT_EQ(found->manifest_hash, HashText(PosixFileSystem().Read(found->folder / "manifest.json").value()));
  EXPECT_TRUE(store_.Verify(*found));
}

TEST_F(CheckpointStoreTest, NothingIsThereBeforeTheCommit) {
  Manifest manifest;
  manifest.attempt = Attempt(1);
  manifest.step = 10;
  auto writer = store_.Begin(manifest).value();
  ASSERT_TRUE(WriteFile(writer, "model.safetensors", "weights"));

  EXPECT_EQ(store_.Find(Attempt(1), 10).error().code, ErrorCode::kNotFound);
  const auto contents = store_.Inspect(Attempt(1)).value();
  EXPECT_THAT(contents.checkpoints, IsEmpty());
  EXPECT_THAT(contents.temporary, SizeIs(1));
  EXPECT_THAT(contents.quarantined, IsEmpty());
}

TEST_F(CheckpointStoreTest, AStepIsCommittedOnce) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  EXPECT_EQ(WriteCheckpoint(store_, Attempt(1), 10).error().code, ErrorCode::kExists);
  EXPECT_TRUE(WriteCheckpoint(store_, Attempt(2), 10)) << "another attempt has a step 10 of its own";
}

TEST_F(CheckpointStoreTest, OfTwoWritersOfAStepOneCommits) {
  Manifest manifest;
  manifest.attempt = Attempt(1);
  manifest.step = 10;
  auto first = store_.Begin(manifest).value();
  auto second = store_.Begin(manifest).value();
  ASSERT_TRUE(WriteFile(first, "model.safetensors", "first"));
  ASSERT_TRUE(WriteFile(second, "model.safetensors", "second"));
  ASSERT_TRUE(second.Commit());
  EXPECT_EQ(first.Commit().error().code, ErrorCode::kExists);
  EXPECT_EQ(PosixFileSystem().Read(FolderOf(Attempt(1), 10) / "model.safetensors").value(), "second");
}

TEST_F(CheckpointStoreTest, ThreadsWriteSideBySide) {
  constexpr int kThreads = 8;
  std::vector<Result<FoundCheckpoint>> results(kThreads, Fail(ErrorCode::kInternal, "not run"));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { results[static_cast<size_t>(i)] = WriteCheckpoint(store_, Attempt(1 + i % 2), i); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) {
    ASSERT_TRUE(result) << result.error().Text();
    EXPECT_TRUE(store_.Verify(*result));
  }
  EXPECT_THAT(Steps(store_.Inspect(Attempt(1)).value()), ElementsAre(0, 2, 4, 6));
}

TEST_F(CheckpointStoreTest, AFileThatWasNotClosedKeepsTheCheckpointFromBeingCommitted) {
  Manifest manifest;
  manifest.attempt = Attempt(1);
  auto writer = store_.Begin(manifest).value();
  auto file = writer.Create("model.safetensors").value();
  EXPECT_EQ(writer.Commit().error().code, ErrorCode::kInternal);
  file.reset();
  EXPECT_FALSE(writer.Commit());
  EXPECT_EQ(store_.Find(Attempt(1), 0).error().code, ErrorCode::kNotFound);
}

TEST_F(CheckpointStoreTest, FileNamesStayWithinTheFolder) {
  Manifest manifest;
  manifest.attempt = Attempt(1);
  auto writer = store_.Begin(manifest).value();
  for (const std::string name : {"", "..", "../model", "a/b", "manifest.json", ".hidden"}) {
    EXPECT_EQ(writer.Create(name).error().code, ErrorCode::kInvalid) << name;
  }
  ASSERT_TRUE(WriteFile(writer, "model.safetensors", "weights"));
  EXPECT_EQ(writer.Create("model.safetensors").error().code, ErrorCode::kExists);
}

TEST_F(CheckpointStoreTest, CheckpointsAreListedByStepBeyondEightDigitsToo) {
  for (const int64_t step : {123456789L, 99999999L, 7L}) ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), step));
  EXPECT_THAT(Steps(store_.Inspect(Attempt(1)).value()), ElementsAre(7, 99999999, 123456789));
}

TEST_F(CheckpointStoreTest, AttemptsAreListedByMemberAndNumber) {
  EXPECT_THAT(store_.Attempts(EnsembleId("fashion-mnist-3")).value(), IsEmpty());
  for (const int number : {10, 2, 1}) fs::create_directories(ensemble_folder_ / AttemptFolder(Attempt(number)));
  fs::create_directories(ensemble_folder_ / AttemptFolder(Attempt(1, ".inspect")));
  fs::create_directories(ensemble_folder_ / "members/lenet5-s0/attempt-0");
  fs::create_directories(ensemble_folder_ / "members/lenet5-s0/attempt-007");
  fs::create_directories(ensemble_folder_ / "members/lenet5-s0/attempt-2147483647");  // no number follows it
  fs::create_directories(ensemble_folder_ / "members/not a name/attempt-1");
  Overwrite(ensemble_folder_ / "members/notes.txt", "hello");
  EXPECT_THAT(store_.Attempts(EnsembleId("fashion-mnist-3")).value(),
              ElementsAre(Attempt(1, ".inspect"), Attempt(1), Attempt(2), Attempt(10)));
}

TEST_F(CheckpointStoreTest, AnAttemptWithoutFolderIsNotFound) {
  EXPECT_EQ(store_.Inspect(Attempt(1)).error().code, ErrorCode::kNotFound);
}

TEST_F(CheckpointStoreTest, TheUsualFilesOfAnAttemptAreNoConcern) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  const fs::path folder = ensemble_folder_ / AttemptFolder(Attempt(1));
  for (const std::string name : {"task.json", "events.jsonl", "log.txt"}) Overwrite(folder / name, "{}");
  fs::create_directories(folder / "predictions" / "last");
  const auto contents = store_.Inspect(Attempt(1)).value();
  EXPECT_THAT(Steps(contents), ElementsAre(10));
  EXPECT_THAT(contents.temporary, IsEmpty());
  EXPECT_THAT(contents.quarantined, IsEmpty());
}

// ---- folders that no commit of ours left ----

class QuarantineTest : public CheckpointStoreTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
    ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 20));
    folder_ = FolderOf(Attempt(1), 20);
  }

  void ExpectQuarantined(const std::string& reason) const {
    const auto contents = store_.Inspect(Attempt(1));
    ASSERT_TRUE(contents) << contents.error().Text();
    EXPECT_THAT(Steps(*contents), ElementsAre(10)) << "the other checkpoint is still good";
    ASSERT_THAT(contents->quarantined, SizeIs(1));
    EXPECT_EQ(contents->quarantined[0].folder, folder_);
    EXPECT_THAT(contents->quarantined[0].reason, HasSubstr(reason));
    EXPECT_TRUE(fs::exists(folder_)) << "quarantined means named, never deleted";
    EXPECT_EQ(store_.Find(Attempt(1), 20).error().code, ErrorCode::kCorrupt);
  }

  Json ReadManifest() const { return Json::parse(PosixFileSystem().Read(folder_ / "manifest.json").value()); }
  void WriteManifest(const Json& manifest) const { Overwrite(folder_ / "manifest.json", manifest.dump()); }

  fs::path folder_;
};

TEST_F(QuarantineTest, WithoutManifest) {
  fs::remove(folder_ / "manifest.json");
  ExpectQuarantined("has no manifest");
}

TEST_F(QuarantineTest, WithAManifestThatIsNoJson) {
  Overwrite(folder_ / "manifest.json", "{\"version\": 1,");
  ExpectQuarantined("cannot be read");
}

TEST_F(QuarantineTest, WithAnEmptyManifest) {
  Overwrite(folder_ / "manifest.json", "");
  ExpectQuarantined("cannot be read");
}

TEST_F(QuarantineTest, WithAManifestOfALaterVersion) {
  Json manifest = ReadManifest();
  manifest["version"] = 2;
  WriteManifest(manifest);
  ExpectQuarantined("has version 2, this program reads version 1");
}

TEST_F(QuarantineTest, WithAManifestThatLeadsOutOfItsFolder) {
  Json manifest = ReadManifest();
  manifest["files"][0]["name"] = "../step-00000010/model.safetensors";
  WriteManifest(manifest);
  ExpectQuarantined("no file of its folder");
}

TEST_F(QuarantineTest, WithTheManifestOfAnotherStep) {
  Json manifest = ReadManifest();
  manifest["step"] = 30;
  WriteManifest(manifest);
  ExpectQuarantined("holds step 30");
}

TEST_F(QuarantineTest, WithAFileMissing) {
  fs::remove(folder_ / "training.safetensors");
  ExpectQuarantined("training.safetensors is missing");
}

TEST_F(QuarantineTest, WithAFileCutShort) {
  fs::resize_file(folder_ / "model.safetensors", 999);
  ExpectQuarantined("model.safetensors has 999 bytes instead of 1000");
}

TEST_F(CheckpointStoreTest, AFolderThatNobodyKnowsIsNamed) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  fs::create_directories(ensemble_folder_ / AttemptFolder(Attempt(1)) / "step-10");  // not padded as ours are
  const auto contents = store_.Inspect(Attempt(1)).value();
  EXPECT_THAT(Steps(contents), ElementsAre(10));
  ASSERT_THAT(contents.quarantined, SizeIs(1));
  EXPECT_EQ(contents.quarantined[0].folder.filename(), "step-10");
}

// ---- damage that sizes do not show ----

TEST_F(CheckpointStoreTest, VerifyFindsASingleFlippedBit) {
  const auto checkpoint = WriteCheckpoint(store_, Attempt(1), 10).value();
  std::string bytes = ModelBytes(10);
  bytes[500] = static_cast<char>(bytes[500] ^ 1);
  Overwrite(checkpoint.folder / "model.safetensors", bytes);
  ASSERT_TRUE(store_.Find(Attempt(1), 10)) << "the size is right";
  const auto verified = store_.Verify(checkpoint);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(verified.error().Text(), HasSubstr("model.safetensors"));
}

TEST_F(CheckpointStoreTest, VerifyFindsAChangedManifest) {
  const auto checkpoint = WriteCheckpoint(store_, Attempt(1), 10, 0.5).value();
  std::string text = PosixFileSystem().Read(checkpoint.folder / "manifest.json").value();
  text.replace(text.find("0.5"), 3, "0.1");
  Overwrite(checkpoint.folder / "manifest.json", text);
  EXPECT_EQ(store_.Verify(checkpoint).error().code, ErrorCode::kCorrupt);
}

// ---- deletion ----

TEST_F(CheckpointStoreTest, RemoveTakesOneCheckpointAndIsRepeatable) {
  for (const int64_t step : {10, 20}) ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), step));
  ASSERT_TRUE(store_.Remove(Attempt(1), 10));
  ASSERT_TRUE(store_.Remove(Attempt(1), 10)) << "gone already is no error";
  ASSERT_TRUE(store_.Remove(Attempt(9), 10)) << "nor is an attempt that is gone";
  const auto contents = store_.Inspect(Attempt(1)).value();
  EXPECT_THAT(Steps(contents), ElementsAre(20));
  EXPECT_THAT(contents.temporary, IsEmpty());
}

TEST_F(CheckpointStoreTest, AStepCanBeWrittenAgainAfterItsRemovalWasCutShort) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  fs::rename(FolderOf(Attempt(1), 10), ensemble_folder_ / AttemptFolder(Attempt(1)) / ".step-00000010.removed");
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  ASSERT_TRUE(store_.Remove(Attempt(1), 10));
  EXPECT_THAT(store_.Inspect(Attempt(1)).value().temporary, IsEmpty());
}

TEST_F(CheckpointStoreTest, RemoveTemporaryLeavesCheckpointsAlone) {
  ASSERT_TRUE(WriteCheckpoint(store_, Attempt(1), 10));
  for (const std::string name : {".step-00000020.1", ".step-00000010.removed", kUploadsName}) {
    const fs::path folder = ensemble_folder_ / AttemptFolder(Attempt(1)) / name;
    fs::create_directories(folder);
    Overwrite(folder / "model.safetensors", "half");
  }
  EXPECT_THAT(store_.Inspect(Attempt(1)).value().temporary, SizeIs(3));
  ASSERT_TRUE(store_.RemoveTemporary(Attempt(1)));
  ASSERT_TRUE(store_.RemoveTemporary(Attempt(7)));
  const auto contents = store_.Inspect(Attempt(1)).value();
  EXPECT_THAT(contents.temporary, IsEmpty());
  EXPECT_THAT(Steps(contents), ElementsAre(10));
}

TEST_F(CheckpointStoreTest, AWriterThatDoesNotCommitTakesItsFolderAlong) {
  Manifest manifest;
  manifest.attempt = Attempt(1);
  {
    auto writer = store_.Begin(manifest).value();
    ASSERT_TRUE(WriteFile(writer, "model.safetensors", "weights"));
  }
  EXPECT_THAT(store_.Inspect(Attempt(1)).value().temporary, IsEmpty());
}

// ---- errors of the disk ----

TEST_F(CheckpointStoreTest, OnAFullDiskNothingOfTheFailedCheckpointKeepsItFull) {
  for (int64_t operation = 1;; ++operation) {
    testing::FaultyFileSystem faulty(PosixFileSystem());
    faulty.CutShortAt(operation, ErrorCode::kNoSpace);
    CheckpointStore store(faulty, ensemble_folder_);
    static_cast<void>(WriteCheckpoint(store, Attempt(1), operation));
    if (const auto contents = store_.Inspect(Attempt(1))) {
      EXPECT_THAT(contents->temporary, IsEmpty()) << "operation " << operation;
    }
    if (!faulty.fault_happened()) break;
  }
}

TEST_F(CheckpointStoreTest, AFailedSyncIsNeverFollowedByTheRename) {
  testing::FaultyFileSystem counting(PosixFileSystem());
  CheckpointStore counted(counting, home_ / "counted-1");
  ASSERT_TRUE(WriteCheckpoint(counted, Attempt(1), 10));
  const auto log = counting.log();
  const auto rename = std::find_if(log.begin(), log.end(), [](const auto& line) { return line.starts_with("rename"); });
  ASSERT_NE(rename, log.end());
  int syncs = 0;
  for (auto line = log.begin(); line != rename; ++line) {
    if (!line->starts_with("sync")) continue;
    ++syncs;
    testing::FaultyFileSystem faulty(PosixFileSystem());
    faulty.FailAt(line - log.begin() + 1, ErrorCode::kIo);
    CheckpointStore store(faulty, home_ / fmt::format("failing-{}", syncs));
    EXPECT_EQ(WriteCheckpoint(store, Attempt(1), 10).error().code, ErrorCode::kIo);
    EXPECT_THAT(faulty.log(), Each(Not(HasSubstr("rename"))));
  }
  EXPECT_GE(syncs, 4) << "two files, the manifest and their folder are synced before the rename";
}

TEST_F(CheckpointStoreTest, AfterAFailureTheWriterDoesNotCommitAnyMore) {
  testing::FaultyFileSystem faulty(PosixFileSystem());
  CheckpointStore store(faulty, ensemble_folder_);
  Manifest manifest;
  manifest.attempt = Attempt(1);
  auto writer = store.Begin(manifest).value();
  auto file = writer.Create("model.safetensors").value();
  faulty.FailAt(faulty.operations() + 1, ErrorCode::kNoSpace);
  EXPECT_EQ(file->Append(std::as_bytes(std::span("weights"))).error().code, ErrorCode::kNoSpace);
  ASSERT_TRUE(file->Close());
  EXPECT_FALSE(writer.Commit());
  EXPECT_EQ(store.Find(Attempt(1), 0).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tutti::storage
