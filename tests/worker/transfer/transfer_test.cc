// Files on their way up and down, over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "storage/checkpoints/checkpoint_store.h"
#include "tests/storage/checkpoints.h"
#include "tests/support/temporary_folder.h"
#include "tests/worker/transfer/storehouse.h"
#include "worker/transfer/download.h"
#include "worker/transfer/scratch.h"
#include "worker/transfer/upload.h"

namespace tutti::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const AttemptId kAttempt{{EnsembleId("trial-1"), "mlp-s0"}, 2};
const Error kBroken{ErrorCode::kUnreachable, "", nullptr};
const Error kFull{ErrorCode::kNoSpace, "the disk is full", nullptr};

// Of several pieces, none like another.
std::string Long(size_t bytes) {
  std::string content(bytes, 'x');
  for (size_t i = 0; i < bytes; i += 1000) content[i] = static_cast<char>('a' + i / 1000 % 26);
  return content;
}

class Transfer : public ::testing::Test {
 protected:
  Transfer() {
    task_.attempt = kAttempt;
    task_.ensemble_folder = folder_ / "scratch/trial-1";
    task_.folder = task_.ensemble_folder / storage::AttemptFolder(kAttempt);
    task_.events = task_.folder / "events.jsonl";
    fs::create_directories(task_.folder);
  }
  OutgoingFile Write(const std::string& name, const std::string& content) {
    std::ofstream(task_.folder / name) << content;
    return WholeFile(files_, task_.folder, name).value();
  }
  Result<void> Send(const OutgoingFile& file) { return SendFile(exchange_, sender_, files_, kAttempt, file); }
  Result<void> Fetch() { return FetchInputs(exchange_, sender_, files_, task_); }
  std::string Read(const fs::path& path) { return files_.Read(path).value_or("(none)"); }
  std::vector<std::string> Posts() {
    std::vector<std::string> posts;
    for (const std::string& line : storehouse_.log()) {
      if (line.starts_with("POST")) posts.push_back(line);
    }
    return posts;
  }

  testing::TemporaryFolder folder_;
  FileSystem& files_ = PosixFileSystem();
  Storehouse storehouse_{folder_ / "home"};
  const Sender sender_{WorkerId("n1"), Incarnation{7}};
  Exchange exchange_{storehouse_.peer(), std::chrono::seconds(30)};
  protocol::Task task_;
};

// ---- up ----

TEST_F(Transfer, FileArrivesInPieces) {
  const std::string content = Long(2 * kUploadPiece + 5);
  ASSERT_TRUE(Send(Write("log.txt", content)));
  EXPECT_THAT(storehouse_.complete(), ElementsAre(Pair("log.txt", content)));
  EXPECT_THAT(Posts(), ElementsAre("POST log.txt 0", fmt::format("POST log.txt {}", kUploadPiece),
                                   fmt::format("POST log.txt {}", 2 * kUploadPiece)));
}

TEST_F(Transfer, EmptyFileArrives) {
  ASSERT_TRUE(Send(Write("log.txt", "")));
  EXPECT_THAT(storehouse_.complete(), ElementsAre(Pair("log.txt", "")));
}

TEST_F(Transfer, WhatIsThereIsNotSentAgain) {
  const OutgoingFile file = Write("log.txt", "words");
  ASSERT_TRUE(Send(file));
  ASSERT_TRUE(Send(file));
  EXPECT_EQ(Posts().size(), 1u);
}

TEST_F(Transfer, GoesOnFromWhereAConnectionBroke) {
  const OutgoingFile file = Write("log.txt", Long(3 * kUploadPiece));
  storehouse_.RefuseAfter("POST", 1, {kBroken, kBroken});  // the second: it is asked once more on a new connection
  EXPECT_EQ(Send(file).error().code, ErrorCode::kUnreachable);
  ASSERT_TRUE(Send(file));
  EXPECT_EQ(std::ranges::count(Posts(), "POST log.txt 0"), 1);
  EXPECT_EQ(storehouse_.complete()["log.txt"], Long(3 * kUploadPiece));
}

TEST_F(Transfer, PieceThatWasLostWithItsAnswerIsNotSentTwice) {
  const OutgoingFile file = Write("log.txt", Long(2 * kUploadPiece));
  ASSERT_TRUE(exchange_.Ask({"POST",
                             fmt::format("{}&file=log.txt&bytes={}&hash={}&offset=0",
                                         sender_.Target(kAttempt, "uploads"), file.bytes, file.hash),
                             Long(2 * kUploadPiece).substr(0, kUploadPiece)}));
  ASSERT_TRUE(Send(file));
  EXPECT_THAT(Posts(), ElementsAre("POST log.txt 0", fmt::format("POST log.txt {}", kUploadPiece)));
}

TEST_F(Transfer, FullDiskOfTheCoordinatorIsTold) {
  const OutgoingFile file = Write("log.txt", "words");
  storehouse_.Refuse("POST", {kFull});
  EXPECT_EQ(Send(file).error().code, ErrorCode::kNoSpace);
  ASSERT_TRUE(Send(file)) << "once there is room";
}

TEST_F(Transfer, OtherBytesThanWereSentAreTold) {
  const OutgoingFile file = Write("log.txt", "words");
  storehouse_.Garble(true);
  EXPECT_EQ(Send(file).error().code, ErrorCode::kCorrupt);
  storehouse_.Garble(false);
  ASSERT_TRUE(Send(file));
}

TEST_F(Transfer, FaultOfTheCoordinatorMayPass) {
  const OutgoingFile file = Write("log.txt", "words");
  storehouse_.Refuse("GET", {Error{ErrorCode::kInternal, "a bug", nullptr}});
  EXPECT_EQ(Send(file).error().code, ErrorCode::kUnreachable);
}

TEST_F(Transfer, FileThatIsGoneIsTheOwnFault) {
  const OutgoingFile file = Write("log.txt", "words");
  fs::remove(file.path);
  EXPECT_EQ(Send(file).error().code, ErrorCode::kInternal);
}

TEST_F(Transfer, WhatIsCancelledEndsAndStaysSo) {
  exchange_.Cancel();
  EXPECT_EQ(Send(Write("log.txt", "words")).error().code, ErrorCode::kCancelled);
}

TEST_F(Transfer, CheckpointsManifestIsTheLastOfItsFiles) {
  storage::CheckpointStore store(files_, task_.ensemble_folder);
  ASSERT_TRUE(storage::WriteCheckpoint(store, kAttempt, 10));
  protocol::CheckpointWritten written;
  written.step = 10;
  written.folder = (storage::AttemptFolder(kAttempt) / "step-00000010").string();
  const auto outgoing = FilesOf(files_, task_, written);
  ASSERT_TRUE(outgoing) << outgoing.error().Text();
  for (const OutgoingFile& file : *outgoing) ASSERT_TRUE(Send(file));
  EXPECT_THAT(storehouse_.order(), ElementsAre("step-00000010/model.safetensors", "step-00000010/training.safetensors",
                                               "step-00000010/manifest.json"));
}

TEST_F(Transfer, FilesElsewhereAreNotSent) {
  protocol::PredictionsWritten written;
  for (const char* file : {"../x", "members/mlp-s0/attempt-1/log.txt", "/etc/passwd", ""}) {
    written.file = file;
    EXPECT_FALSE(FilesOf(files_, task_, written)) << file;
  }
}

// ---- down ----

class Fetching : public Transfer {
 protected:
  Fetching() {
    task_.split = task_.ensemble_folder / "split.safetensors";
    storehouse_.Offer("split.safetensors", "the split");
  }
  // What attempt 1 left at step 10.
  void OfferCheckpoint() {
    const AttemptId former{kAttempt.job, 1};
    storage::CheckpointStore store(files_, folder_ / "coordinator");
    const auto found = storage::WriteCheckpoint(store, former, 10).value();
    const fs::path relative = storage::AttemptFolder(former) / "step-00000010";
    for (const char* name : {"model.safetensors", "training.safetensors", "manifest.json"}) {
      storehouse_.Offer((relative / name).string(), Read(found.folder / name));
    }
    task_.resume_from = task_.ensemble_folder / relative;
  }
  bool HasCheckpoint() {
    storage::CheckpointStore store(files_, task_.ensemble_folder);
    const auto found = store.Find({kAttempt.job, 1}, 10);
    return found && store.Verify(*found);
  }
  size_t Contents() {
    return static_cast<size_t>(std::ranges::count_if(
        storehouse_.log(), [](const std::string& line) { return line.find("bytes=") != std::string::npos; }));
  }
};

TEST_F(Fetching, BringsWhatTheTaskNames) {
  OfferCheckpoint();
  const auto fetched = Fetch();
  ASSERT_TRUE(fetched) << fetched.error().Text();
  EXPECT_EQ(Read(task_.split), "the split");
  EXPECT_TRUE(HasCheckpoint());
}

TEST_F(Fetching, BringsNothingTwice) {
  OfferCheckpoint();
  ASSERT_TRUE(Fetch());
  const size_t before = Contents();
  ASSERT_TRUE(Fetch());
  EXPECT_EQ(Contents(), before);
}

TEST_F(Fetching, BringsADamagedCheckpointAnew) {
  OfferCheckpoint();
  ASSERT_TRUE(Fetch());
  storage::Overwrite(*task_.resume_from / "model.safetensors", std::string(1000, '!'));
  ASSERT_FALSE(HasCheckpoint());
  ASSERT_TRUE(Fetch());
  EXPECT_TRUE(HasCheckpoint());
}

TEST_F(Fetching, GoesOnFromWhereAConnectionBroke) {
  const std::string content = Long(2 * kDownloadPiece + 3);
  storehouse_.OfferOnly("split.safetensors", content);
  storehouse_.RefuseAfter("GET", 2, {kBroken, kBroken});  // the list and the first piece come
  EXPECT_EQ(Fetch().error().code, ErrorCode::kUnreachable);
  EXPECT_FALSE(fs::exists(task_.split)) << "half a file has not its name";
  ASSERT_TRUE(Fetch());
  EXPECT_EQ(Read(task_.split), content);
  const std::string first_piece = fmt::format("GET split.safetensors bytes=0-{}", kDownloadPiece - 1);
  EXPECT_EQ(std::ranges::count(storehouse_.log(), first_piece), 1);
}

// Members of one ensemble that start at once on one worker.
TEST_F(Fetching, OfTwoAttemptsBringsOneSplitToBoth) {
  const std::string content = Long(3 * kDownloadPiece);
  storehouse_.OfferOnly("split.safetensors", content);
  protocol::Task other = task_;
  other.attempt.job.name = "mlp-s1";
  Result<void> others;
  std::thread beside([&] {
    Exchange exchange(storehouse_.peer(), std::chrono::seconds(30));
    others = FetchInputs(exchange, sender_, files_, other);
  });
  const Result<void> own = Fetch();
  beside.join();
  EXPECT_TRUE(own) << own.error().Text();
  EXPECT_TRUE(others) << others.error().Text();
  EXPECT_TRUE(Read(task_.split) == content);
}

TEST_F(Fetching, BringsTheWeightsToBeginWith) {
  task_.member.emplace().weights = task_.ensemble_folder / "files/a.safetensors";
  storehouse_.Offer("files/a.safetensors", "the weights");
  ASSERT_TRUE(Fetch());
  EXPECT_EQ(Read(*task_.member->weights), "the weights");
}

TEST_F(Fetching, TakesNothingThatTheTaskDoesNotName) {
  storehouse_.Offer("../outside", "x");
  const auto fetched = Fetch();
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(fs::exists(folder_ / "scratch/outside"));
}

TEST_F(Fetching, OtherBytesThanWereOfferedAreThrownAway) {
  storehouse_.Garble(true);
  EXPECT_EQ(Fetch().error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(task_.split));
  storehouse_.Garble(false);
  ASSERT_TRUE(Fetch());
  EXPECT_EQ(Read(task_.split), "the split");
}

// ---- the home of its own ----

TEST(ScratchHome, HasTheLayoutOfTheCoordinators) {
  const ScratchHome home{"/fast/homes/n1", "/fast/cache"};
  protocol::Task task;
  task.ensemble_folder = "/shared/runs/trial-1";
  task.folder = "/shared/runs/trial-1/members/m/attempt-2";
  task.events = task.folder / "events.jsonl";
  task.cache = "/shared/runs/cache";
  task.resume_from = "/shared/runs/trial-1/members/m/attempt-1/step-00000010";
  task.data.path = "/data/x";
  task.member.emplace().weights = "/shared/runs/trial-1/files/a.safetensors";
  const protocol::Task moved = home.Moved(task);
  EXPECT_EQ(moved.ensemble_folder, "/fast/homes/n1/trial-1");
  EXPECT_EQ(moved.folder, "/fast/homes/n1/trial-1/members/m/attempt-2");
  EXPECT_EQ(moved.events, "/fast/homes/n1/trial-1/members/m/attempt-2/events.jsonl");
  EXPECT_EQ(moved.cache, "/fast/cache");
  EXPECT_EQ(moved.resume_from, "/fast/homes/n1/trial-1/members/m/attempt-1/step-00000010");
  EXPECT_EQ(moved.member->weights, "/fast/homes/n1/trial-1/files/a.safetensors");
  EXPECT_EQ(moved.split, "") << "an inspection has none";
  EXPECT_EQ(moved.data.path, "/data/x") << "data are where they are";
}

TEST(Scratch, IsEmptyAtFirstAndRemovedAtTheEnd) {
  testing::TemporaryFolder folder;
  const auto make = [&](const char* mark, const char* worker) {
    return Scratch::Make(PosixFileSystem(), folder / "scratch", mark, WorkerId(worker)).value();
  };
  fs::path home, cache;
  {
    const Scratch other = make("mark", "n2");
    const Scratch scratch = make("mark", "n1");
    home = scratch.home().home;
    cache = scratch.home().cache;
    EXPECT_EQ(other.home().cache, cache);
    EXPECT_NE(other.home().home, home);
    EXPECT_NE(make("another", "n1").home().cache, cache) << "one coordinator's data are not another's";
    EXPECT_EQ(fs::status(cache.parent_path()).permissions(), fs::perms::owner_all);
    std::ofstream(home / "left") << "by a worker that was killed";
    std::ofstream(cache / "prepared") << "data";
  }
  EXPECT_FALSE(fs::exists(home));
  EXPECT_TRUE(fs::exists(cache / "prepared"));
  fs::create_directories(home / "trial-1");
  const Scratch again = make("mark", "n1");
  EXPECT_TRUE(fs::is_empty(again.home().home));
}

TEST(RemoveOlderCheckpoints, KeepsTheNewestAndWhatCameAfterIt) {
  testing::TemporaryFolder folder;
  storage::CheckpointStore store(PosixFileSystem(), folder.path());
  const AttemptId first{kAttempt.job, 1};
  ASSERT_TRUE(storage::WriteCheckpoint(store, first, 50));
  for (const int64_t step : {10, 20, 30}) ASSERT_TRUE(storage::WriteCheckpoint(store, kAttempt, step));
  ASSERT_TRUE(RemoveOlderCheckpoints(PosixFileSystem(), folder.path(), kAttempt, 20));
  EXPECT_THAT(storage::Steps(store.Inspect(first).value()), IsEmpty());
  EXPECT_THAT(storage::Steps(store.Inspect(kAttempt).value()), ElementsAre(20, 30));
}

}  // namespace
}  // namespace tutti::worker
