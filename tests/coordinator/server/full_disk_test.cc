// A disk that is full: the peer hears of it in words, and what can go on does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <string>

#include "coordinator/server/coordinator.h"
#include "experiments.h"
#include "fake_worker.h"
#include "raw_client.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Full for new files whose path has `part` in it.
class FullFor : public FileSystem {
 public:
  explicit FullFor(std::string part) : part_(std::move(part)) {}
  void MakeRoom() { full_ = false; }

  Result<std::unique_ptr<WritableFile>> Create(const fs::path& path) override {
    if (full_ && path.string().find(part_) != std::string::npos) {
      return Fail(ErrorCode::kNoSpace, "cannot create {}: no space left on device", path.string());
    }
    return disk_.Create(path);
  }
  Result<std::unique_ptr<WritableFile>> OpenForAppend(const fs::path& path) override {
    return disk_.OpenForAppend(path);
  }
  Result<std::string> Read(const fs::path& path) const override { return disk_.Read(path); }
  Result<std::string> ReadRange(const fs::path& path, uint64_t offset, uint64_t length) const override {
    return disk_.ReadRange(path, offset, length);
  }
  Result<FileInfo> Stat(const fs::path& path) const override { return disk_.Stat(path); }
  Result<std::vector<FileInfo>> List(const fs::path& directory) const override { return disk_.List(directory); }
  Result<void> CreateDirectory(const fs::path& path) override { return disk_.CreateDirectory(path); }
  Result<void> CreateDirectories(const fs::path& path) override { return disk_.CreateDirectories(path); }
  Result<void> Rename(const fs::path& from, const fs::path& to) override { return disk_.Rename(from, to); }
  Result<void> Remove(const fs::path& path) override { return disk_.Remove(path); }
  Result<void> RemoveAll(const fs::path& path) override { return disk_.RemoveAll(path); }
  Result<void> SyncDirectory(const fs::path& path) override { return disk_.SyncDirectory(path); }

 private:
  FileSystem& disk_ = PosixFileSystem();
  const std::string part_;
  std::atomic<bool> full_ = true;
};

class FullDisk : public ::testing::Test {
 protected:
  void StartFullFor(const std::string& part) {
    files_ = std::make_unique<FullFor>(part);
    CoordinatorOptions options;
    options.home = home();
    options.files = files_.get();
    options.core.first_backoff = std::chrono::milliseconds(1);
    options.core.longest_backoff = std::chrono::milliseconds(1);
    auto started = Coordinator::Start(options);
    ASSERT_TRUE(started) << started.error().Text();
    coordinator_ = std::move(*started);
    worker_ = std::make_unique<testing::FakeWorker>(*coordinator_, 1, Incarnation{1});
  }
  testing::Answer Submit() {
    return testing::Request(home(), "POST", "/api/v1/ensembles", testing::Submission(testing::AnExperiment()));
  }
  Json EnsembleOnceEnded() {
    const auto deadline = std::chrono::steady_clock::now() + testing::kPatience;
    while (true) {
      const Json view = testing::Request(home(), "GET", "/api/v1/ensembles/last").json();
      if (view.value("state", "running") != "running" || std::chrono::steady_clock::now() > deadline) return view;
    }
  }
  fs::path home() const { return folder_ / "runs"; }

  testing::TemporaryFolder folder_;
  std::unique_ptr<FullFor> files_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<testing::FakeWorker> worker_;  // goes first
};

TEST_F(FullDisk, SubmissionIsRefusedAndMayBeRepeated) {
  StartFullFor("resolved");
  const testing::Answer refused = Submit();
  EXPECT_EQ(refused.status, 507);
  EXPECT_EQ(refused.json()["code"], "no_space");
  EXPECT_EQ(testing::Request(home(), "GET", "/api/v1/ensembles").json()["ensembles"].size(), 0u);
  EXPECT_FALSE(fs::exists(home() / "trial-1")) << "half a folder is of no use";
  files_->MakeRoom();
  EXPECT_EQ(Submit().json()["id"], "trial-1");
  EXPECT_EQ(EnsembleOnceEnded()["state"], "finished");
}

TEST_F(FullDisk, AttemptThatCannotBePreparedFailsInWordsAndFreesItsSlots) {
  StartFullFor("mlp-s1/");
  ASSERT_EQ(Submit().status, 200);
  const Json view = EnsembleOnceEnded();
  EXPECT_EQ(view["state"], "incomplete") << "the others were trained on the same slot";
  EXPECT_EQ(view["members_finished"], 2);
  EXPECT_THAT(view["members"][1]["last_error"].get<std::string>(), HasSubstr("no space left"));
}

TEST_F(FullDisk, WhatAnEarlierAttemptLeftHalfWrittenIsRemovedBeforeTheNext) {
  StartFullFor("mlp-s1/");
  ASSERT_EQ(Submit().status, 200);
  ASSERT_EQ(EnsembleOnceEnded()["state"], "incomplete");
  const fs::path attempt = home() / "trial-1/members/mlp-s1/attempt-1";
  const fs::path half = attempt / ".step-00000007.1";
  fs::create_directories(half);
  std::ofstream(attempt / storage::kTaskName) << "{}";  // as if there had been room until its trainer began
  files_->MakeRoom();
  ASSERT_EQ(testing::Request(home(), "POST", "/api/v1/ensembles/last/resume").status, 200);
  EXPECT_EQ(EnsembleOnceEnded()["state"], "finished");
  EXPECT_FALSE(fs::exists(half)) << "it would keep the disk full";
}

TEST_F(FullDisk, SplitThatCannotBeWrittenFailsTheEnsembleInWords) {
  StartFullFor("split.safetensors");
  ASSERT_EQ(Submit().status, 200);
  const Json view = EnsembleOnceEnded();
  EXPECT_EQ(view["state"], "failed");
  EXPECT_THAT(view["note"].get<std::string>(), HasSubstr("no space left"));
}

TEST_F(FullDisk, ProvenanceThatCannotBeWrittenFailsNothing) {
  StartFullFor("provenance.json");
  ASSERT_EQ(Submit().status, 200);
  EXPECT_EQ(EnsembleOnceEnded()["state"], "finished");
}

TEST_F(FullDisk, AnswerThatCannotBeWrittenIsMadeWhenThereIsRoomAgain) {
  StartFullFor("results.json");
  ASSERT_EQ(Submit().status, 200);
  EXPECT_THAT(EnsembleOnceEnded()["note"].get<std::string>(), HasSubstr("no space left"));
  files_->MakeRoom();
  ASSERT_EQ(testing::Request(home(), "POST", "/api/v1/ensembles/last/resume").status, 200);
  const Json view = EnsembleOnceEnded();
  EXPECT_EQ(view["state"], "finished");
  EXPECT_EQ(view["results"]["members"], 3);
  EXPECT_EQ(worker_->started().size(), 4u) << "nothing was trained again";
}

}  // namespace
}  // namespace tutti::server
