// What comes of an attempt's files piece by piece, on the disk.
#include "coordinator/server/uploads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "tests/storage/checkpoints.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const AttemptId kAttempt{{EnsembleId("trial-1"), "mlp-s0"}, 2};

struct Sent {
  Upload upload;
  std::string content;
};

Sent File(const std::string& name, const std::string& content) {
  const bool grows = name == "events.jsonl" || name == "log.txt";
  return {{kAttempt, name, content.size(), grows ? "" : HashText(content)}, content};
}

class Uploads : public ::testing::Test {
 protected:
  Uploads() { fs::create_directories(attempt()); }
  fs::path ensemble() const { return folder_ / "runs/trial-1"; }
  fs::path attempt() const { return ensemble() / storage::AttemptFolder(kAttempt); }

  Result<Received> Send(const Sent& sent, uint64_t offset, size_t length, FileSystem& files = PosixFileSystem()) {
    return Receive(files, ensemble(), sent.upload, offset, sent.content.substr(offset, length));
  }
  // In small pieces, from where it stands.
  Result<void> SendAll(const Sent& sent, FileSystem& files = PosixFileSystem()) {
    const size_t piece = sent.content.size() / 2 + 1;
    TUTTI_ASSIGN_OR_RETURN(Received there, FindReceived(files, ensemble(), sent.upload));
    while (!there.complete) {
      TUTTI_ASSIGN_OR_RETURN(there, Send(sent, there.bytes, piece, files));
    }
    return {};
  }
  // A checkpoint as a worker's trainer wrote it, in the order in which it is sent.
  std::vector<Sent> Checkpoint(int64_t step) {
    storage::CheckpointStore store(PosixFileSystem(), folder_ / "worker");
    auto found = store.Find(kAttempt, step);
    if (!found) found = storage::WriteCheckpoint(store, kAttempt, step);
    TUTTI_CHECK(found);
    std::vector<Sent> files;
    for (const char* name : {"model.safetensors", "training.safetensors", "manifest.json"}) {
      files.push_back(File(storage::StepFolderName(step) + "/" + name, Read(found->folder / name)));
    }
    return files;
  }
  Result<void> SendCheckpoint(int64_t step, FileSystem& files = PosixFileSystem()) {
    for (const Sent& sent : Checkpoint(step)) TUTTI_RETURN_IF_ERROR(SendAll(sent, files));
    return {};
  }
  std::vector<int64_t> StepsThere() {
    const storage::CheckpointStore store(PosixFileSystem(), ensemble());
    const auto contents = store.Inspect(kAttempt);
    if (!contents) return {};
    EXPECT_THAT(contents->quarantined, IsEmpty());
    for (const auto& checkpoint : contents->checkpoints) EXPECT_TRUE(store.Verify(checkpoint));
    return storage::Steps(*contents);
  }
  static std::string Read(const fs::path& path) { return PosixFileSystem().Read(path).value_or("(none)"); }

  testing::TemporaryFolder folder_;
};

TEST_F(Uploads, FileGetsItsNameOnceItIsWhole) {
  const Sent file = File("predictions/last/test.safetensors", "0123456789");
  EXPECT_EQ(Send(file, 0, 6).value().bytes, 6u);
  EXPECT_FALSE(fs::exists(attempt() / "predictions/last/test.safetensors"));
  const auto there = FindReceived(PosixFileSystem(), ensemble(), file.upload);
  EXPECT_EQ(there->bytes, 6u);
  EXPECT_FALSE(there->complete);
  EXPECT_TRUE(Send(file, 6, 4)->complete);
  EXPECT_EQ(Read(attempt() / "predictions/last/test.safetensors"), "0123456789");
  EXPECT_FALSE(fs::exists(attempt() / ".uploads")) << "nothing is left behind";
}

TEST_F(Uploads, RepeatOfWhatIsCompleteSaysSo) {
  const Sent file = File("labels.safetensors", "words");
  ASSERT_TRUE(SendAll(file));
  EXPECT_TRUE(Send(file, 0, 5)->complete);
  EXPECT_TRUE(Send(file, 3, 1)->complete);
  EXPECT_EQ(Read(attempt() / "labels.safetensors"), "words");
}

TEST_F(Uploads, EmptyFileIsAFile) {
  ASSERT_TRUE(SendAll(File("labels.safetensors", "")));
  EXPECT_EQ(Read(attempt() / "labels.safetensors"), "");
}

TEST_F(Uploads, PieceThatBeginsElsewhereIsNotTaken) {
  const Sent file = File("labels.safetensors", "0123456789");
  ASSERT_TRUE(Send(file, 0, 4));
  for (const uint64_t offset : {0, 3, 5, 9}) {
    const auto taken = Send(file, offset, 1);
    ASSERT_FALSE(taken) << offset;
    EXPECT_EQ(taken.error().code, ErrorCode::kConflict);
    EXPECT_THAT(taken.error().message, HasSubstr("byte 4"));
  }
  EXPECT_TRUE(Send(file, 4, 6)->complete);
}

TEST_F(Uploads, PieceBeyondTheEndIsNotTaken) {
  Sent file = File("labels.safetensors", "0123456789");
  file.upload.bytes = 9;
  EXPECT_EQ(Send(file, 0, 10).error().code, ErrorCode::kInvalid);
}

TEST_F(Uploads, WhatIsNotWhatWasSentIsThrownAwayAndMayBeSentAnew) {
  Sent file = File("labels.safetensors", "0123456789");
  const std::string right = std::exchange(file.content, "01234!6789");
  EXPECT_EQ(SendAll(file).error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(attempt() / "labels.safetensors"));
  file.content = right;
  ASSERT_TRUE(SendAll(file));
  EXPECT_EQ(Read(attempt() / "labels.safetensors"), right);
}

TEST_F(Uploads, OtherContentOfTheSameNameTakesItsPlace) {
  ASSERT_TRUE(SendAll(File("labels.safetensors", "old")));
  ASSERT_TRUE(Send(File("labels.safetensors", "half of it"), 0, 4));
  ASSERT_TRUE(SendAll(File("labels.safetensors", "new")));
  EXPECT_EQ(Read(attempt() / "labels.safetensors"), "new");
}

TEST_F(Uploads, EventsAreAppendedTo) {
  Sent events = File("events.jsonl", "{\"one\"}\n");
  ASSERT_TRUE(SendAll(events));
  events = File("events.jsonl", "{\"one\"}\n{\"two\"}\n");
  ASSERT_TRUE(SendAll(events));
  EXPECT_TRUE(SendAll(File("events.jsonl", "{\"one\"}\n"))) << "an earlier state of it has come already";
  EXPECT_EQ(Read(attempt() / "events.jsonl"), "{\"one\"}\n{\"two\"}\n");
}

TEST_F(Uploads, LogGrowsWhileItIsWritten) {
  ASSERT_TRUE(SendAll(File("log.txt", "")));
  EXPECT_EQ(Read(attempt() / "log.txt"), "");
  ASSERT_TRUE(SendAll(File("log.txt", "one\n")));
  EXPECT_EQ(Read(attempt() / "log.txt"), "one\n");
  ASSERT_TRUE(SendAll(File("log.txt", "one\ntwo\n")));
  EXPECT_EQ(Read(attempt() / "log.txt"), "one\ntwo\n");
}

TEST_F(Uploads, CheckpointIsCommittedByItsManifest) {
  for (const Sent& sent : Checkpoint(10)) {
    EXPECT_THAT(StepsThere(), IsEmpty()) << "before " << sent.upload.file;
    ASSERT_TRUE(SendAll(sent));
  }
  EXPECT_THAT(StepsThere(), ElementsAre(10));
  EXPECT_FALSE(fs::exists(attempt() / ".uploads"));
  for (const Sent& sent : Checkpoint(10)) {
    EXPECT_TRUE(FindReceived(PosixFileSystem(), ensemble(), sent.upload)->complete) << sent.upload.file;
  }
}

TEST_F(Uploads, HalfACheckpointGoesWhenANewerOneIsCommitted) {
  const auto overtaken = Checkpoint(10);
  ASSERT_TRUE(SendAll(overtaken[0]));
  ASSERT_TRUE(Send(overtaken[1], 0, 5));
  ASSERT_TRUE(SendCheckpoint(20));
  EXPECT_THAT(StepsThere(), ElementsAre(20));
  EXPECT_FALSE(fs::exists(attempt() / ".uploads")) << "nobody else would remove it";
}

TEST_F(Uploads, ManifestOfFilesThatWereNotSentIsNotTaken) {
  const auto files = Checkpoint(10);
  ASSERT_TRUE(SendAll(files[0]));
  const auto sent = SendAll(files[2]);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(sent.error().message, HasSubstr("training.safetensors"));
  EXPECT_THAT(StepsThere(), IsEmpty());
  ASSERT_TRUE(SendCheckpoint(10)) << "in order it is";
}

TEST_F(Uploads, ManifestOfAnotherCheckpointIsNotTaken) {
  const auto files = Checkpoint(10);
  ASSERT_TRUE(SendAll(files[0]));
  ASSERT_TRUE(SendAll(files[1]));
  EXPECT_EQ(SendAll(File("step-00000011/manifest.json", files[2].content)).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(SendAll(File("step-00000010/manifest.json", "{}")).error().code, ErrorCode::kInvalid);
  EXPECT_THAT(StepsThere(), IsEmpty());
}

TEST_F(Uploads, NamesThatNoAttemptHasAreRefused) {
  for (const char* name : {"",
                           ".",
                           "..",
                           "/",
                           "task.json",
                           "../attempt-1/log.txt",
                           "/etc/passwd",
                           "log.txt/",
                           "/log.txt",
                           "step-10/model.safetensors",
                           "step-00000010/../log.txt",
                           "step-00000010/x",
                           "step-00000010",
                           "step-00000010/model.safetensors/",
                           "predictions/../test.safetensors",
                           "predictions//test.safetensors",
                           "predictions/a/b/test.safetensors",
                           "predictions/last/x.safetensors",
                           "predictions/.x/test.safetensors",
                           ".uploads/x",
                           "events.jsonl\n",
                           "step--0000001/model.safetensors",
                           "step-99999999999999999999/model.safetensors"}) {
    const auto checked = CheckUpload({kAttempt, name, 1, HashText("x")});
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalid);
  }
  for (const char* name : {"log.txt", "events.jsonl", "labels.safetensors", "predictions/last/validation.safetensors",
                           "step-00000010/manifest.json"}) {
    EXPECT_TRUE(CheckUpload({kAttempt, name, 1, HashText("x")})) << name;
  }
}

TEST_F(Uploads, HashesThatAreNoneAreRefused) {
  for (const char* hash : {"", "abc", "../../../../../../../../../../a", "0123456789ABCDEF0123456789ABCDEF"}) {
    EXPECT_FALSE(CheckUpload({kAttempt, "labels.safetensors", 1, hash})) << hash;
  }
}

TEST_F(Uploads, FullDiskKeepsWhatCameBefore) {
  const Sent file = File("log.txt", "0123456789");
  testing::FaultyFileSystem files(PosixFileSystem());
  ASSERT_TRUE(Send(file, 0, 4, files));
  const int64_t before = files.operations();
  ASSERT_TRUE(Send(file, 4, 2, files));
  const std::vector<std::string> log = files.log();
  int64_t append = 0;
  for (int64_t number = before; number < static_cast<int64_t>(log.size()); ++number) {
    if (log[static_cast<size_t>(number)].starts_with("append")) append = number - before;
  }
  ASSERT_GT(append, 0);
  files.CutShortAt(files.operations() + append + 1, ErrorCode::kNoSpace);
  const auto taken = Send(file, 6, 4, files);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(FindReceived(files, ensemble(), file.upload)->bytes, 8u) << "as far as there was room";
  ASSERT_TRUE(SendAll(file, files));
  EXPECT_EQ(Read(attempt() / "log.txt"), "0123456789");
}

// The machine of the coordinator is lost at each operation of an upload; then the worker comes with it again.
TEST_F(Uploads, CheckpointSurvivesACrashAtAnyPointWholeOrNotAtAll) {
  for (int64_t crash = 1;; ++crash) {
    fs::remove_all(ensemble());
    fs::create_directories(attempt());
    testing::FaultyFileSystem files(PosixFileSystem());
    files.CrashAt(crash);
    const bool acknowledged = SendCheckpoint(10, files).has_value();
    const bool crashed = files.fault_happened();
    if (crashed) files.LoseAllUnsynced();
    const auto steps = StepsThere();
    EXPECT_TRUE(!acknowledged || steps == std::vector<int64_t>{10})
        << "crash at " << crash << ": " << files.log().back();
    ASSERT_TRUE(SendCheckpoint(10)) << "crash at " << crash;
    EXPECT_THAT(StepsThere(), ElementsAre(10));
    EXPECT_FALSE(fs::exists(attempt() / ".uploads/step-00000010"));
    if (!crashed) break;
  }
}

}  // namespace
}  // namespace tutti::server
