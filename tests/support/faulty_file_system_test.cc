// What the tests of crashes rely upon.
#include "tests/support/faulty_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/temporary_folder.h"

namespace tutti::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class FaultyFileSystemTest : public ::testing::Test {
 protected:
  enum class Synced { kNo, kContents };
  void Write(const fs::path& path, std::string_view contents, Synced synced) {
    auto file = faulty_.Create(path).value();
    ASSERT_TRUE(file->Append(Bytes(contents)));
    if (synced == Synced::kContents) {
      ASSERT_TRUE(file->Sync());
    }
    ASSERT_TRUE(file->Close());
  }

  FileSystem& disk_ = PosixFileSystem();
  TemporaryFolder folder_;
  FaultyFileSystem faulty_{PosixFileSystem()};
};

TEST_F(FaultyFileSystemTest, CountsAndNamesOperations) {
  Write(folder_ / "a", "x", Synced::kContents);
  EXPECT_EQ(faulty_.operations(), 4);
  EXPECT_EQ(faulty_.log().front(), "create " + (folder_ / "a").string());
  EXPECT_FALSE(faulty_.fault_happened());
}

TEST_F(FaultyFileSystemTest, FailsOneOperationAndNoOther) {
  faulty_.FailAt(2, ErrorCode::kNoSpace);
  EXPECT_TRUE(faulty_.CreateDirectory(folder_ / "a"));
  EXPECT_EQ(faulty_.CreateDirectory(folder_ / "b").error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(faulty_.CreateDirectory(folder_ / "c"));
  EXPECT_FALSE(disk_.Exists(folder_ / "b"));
  EXPECT_TRUE(faulty_.fault_happened());
}

TEST_F(FaultyFileSystemTest, CutsAWriteShort) {
  faulty_.CutShortAt(2, ErrorCode::kNoSpace);
  auto file = faulty_.Create(folder_ / "a").value();
  EXPECT_EQ(file->Append(Bytes("12345678")).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk_.Read(folder_ / "a").value(), "1234");
}

TEST_F(FaultyFileSystemTest, AfterACrashNothingWorks) {
  faulty_.CrashAt(1);
  EXPECT_FALSE(faulty_.CreateDirectory(folder_ / "a"));
  EXPECT_FALSE(faulty_.CreateDirectory(folder_ / "b"));
  EXPECT_FALSE(faulty_.Read(folder_ / "c"));
  EXPECT_TRUE(disk_.List(folder_.path())->empty());
}

TEST_F(FaultyFileSystemTest, LosesContentsThatWereNotSynced) {
  Write(folder_ / "synced", "kept", Synced::kContents);
  Write(folder_ / "unsynced", "lost", Synced::kNo);
  ASSERT_TRUE(faulty_.SyncDirectory(folder_.path()));
  faulty_.LoseAllUnsynced();
  EXPECT_EQ(disk_.Read(folder_ / "synced").value(), "kept");
  EXPECT_EQ(disk_.Read(folder_ / "unsynced").value(), "") << "its name is safe, its bytes are not";
}

TEST_F(FaultyFileSystemTest, LosesEntriesOfFoldersThatWereNotSynced) {
  Write(folder_ / "file", "contents", Synced::kContents);
  ASSERT_TRUE(faulty_.CreateDirectory(folder_ / "directory"));
  faulty_.LoseAllUnsynced();
  EXPECT_TRUE(disk_.List(folder_.path())->empty());
}

TEST_F(FaultyFileSystemTest, TakesBackARenameThatWasNotSynced) {
  Write(folder_ / "old", "old", Synced::kContents);
  Write(folder_ / "new", "new", Synced::kContents);
  ASSERT_TRUE(faulty_.SyncDirectory(folder_.path()));
  ASSERT_TRUE(faulty_.Rename(folder_ / "new", folder_ / "old"));
  faulty_.LoseAllUnsynced();
  EXPECT_EQ(disk_.Read(folder_ / "old").value(), "old");
  EXPECT_EQ(disk_.Read(folder_ / "new").value(), "new");
}

TEST_F(FaultyFileSystemTest, TakesBackARemovalThatWasNotSynced) {
  ASSERT_TRUE(faulty_.CreateDirectory(folder_ / "d"));
  Write(folder_ / "d/file", "contents", Synced::kContents);
  ASSERT_TRUE(faulty_.SyncDirectory(folder_ / "d"));
  ASSERT_TRUE(faulty_.SyncDirectory(folder_.path()));
  ASSERT_TRUE(faulty_.RemoveAll(folder_ / "d"));
  EXPECT_FALSE(disk_.Exists(folder_ / "d"));
  faulty_.LoseAllUnsynced();
  EXPECT_EQ(disk_.Read(folder_ / "d/file").value(), "contents");
}

// The trap of the checkpoint's protocol: the renamed folder is safe, the entries within it are not.
TEST_F(FaultyFileSystemTest, ASyncedRenameDoesNotSaveWhatLiesBelow) {
  ASSERT_TRUE(faulty_.CreateDirectory(folder_ / "temporary"));
  Write(folder_ / "temporary/model", "weights", Synced::kContents);
  ASSERT_TRUE(faulty_.Rename(folder_ / "temporary", folder_ / "final"));
  ASSERT_TRUE(faulty_.SyncDirectory(folder_.path()));
  faulty_.LoseAllUnsynced();
  EXPECT_TRUE(disk_.Exists(folder_ / "final"));
  EXPECT_FALSE(disk_.Exists(folder_ / "final/model"));
}

TEST_F(FaultyFileSystemTest, LosesSomeBySeedAndTheSameAgain) {
  const auto names_left = [&](uint64_t seed) {
    const TemporaryFolder folder;
    FaultyFileSystem files(disk_);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(files.CreateDirectory(folder / std::to_string(i)));
    files.LoseSomeUnsynced(seed);
    return disk_.List(folder.path())->size();
  };
  EXPECT_EQ(names_left(1), names_left(1));
  std::set<size_t> counts;
  for (uint64_t seed = 1; seed <= 20; ++seed) counts.insert(names_left(seed));
  EXPECT_GT(counts.size(), 5U);
}

TEST_F(FaultyFileSystemTest, RunsWhatAnotherProcessDoesMeanwhile) {
  faulty_.Before(2, [&] { ASSERT_TRUE(disk_.CreateDirectory(folder_ / "b")); });
  EXPECT_TRUE(faulty_.CreateDirectory(folder_ / "a"));
  EXPECT_EQ(faulty_.CreateDirectory(folder_ / "b").error().code, ErrorCode::kExists);
}

}  // namespace
}  // namespace tutti::testing
