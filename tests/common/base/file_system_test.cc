#include "common/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class FileSystemTest : public ::testing::Test {
 protected:
  void Write(const fs::path& path, std::string_view contents) {
    auto file = files_.Create(path).value();
    ASSERT_TRUE(file->Append(Bytes(contents)));
    ASSERT_TRUE(file->Sync());
    ASSERT_TRUE(file->Close());
  }

  FileSystem& files_ = PosixFileSystem();
  testing::TemporaryFolder folder_;
};

TEST_F(FileSystemTest, ReadsWhatWasAppended) {
  auto file = files_.Create(folder_ / "a").value();
  ASSERT_TRUE(file->Append(Bytes("one")));
  ASSERT_TRUE(file->Append({}));
  ASSERT_TRUE(file->Append(Bytes(std::string_view("\0two", 4))));
  ASSERT_TRUE(file->Close());
  EXPECT_EQ(files_.Read(folder_ / "a").value(), std::string("one\0two", 7));
}

TEST_F(FileSystemTest, CreateTruncatesAndAppendDoesNot) {
  Write(folder_ / "a", "a long text");
  Write(folder_ / "a", "short");
  EXPECT_EQ(files_.Read(folder_ / "a").value(), "short");
  auto file = files_.OpenForAppend(folder_ / "a").value();
  ASSERT_TRUE(file->Append(Bytes("er")));
  EXPECT_EQ(files_.Read(folder_ / "a").value(), "shorter");
  EXPECT_TRUE(files_.OpenForAppend(folder_ / "new"));
  EXPECT_TRUE(files_.Exists(folder_ / "new"));
}

TEST_F(FileSystemTest, RangesEndWithTheFile) {
  Write(folder_ / "a", "0123456789");
  EXPECT_EQ(files_.ReadRange(folder_ / "a", 2, 3).value(), "234");
  EXPECT_EQ(files_.ReadRange(folder_ / "a", 8, 100).value(), "89");
  EXPECT_EQ(files_.ReadRange(folder_ / "a", 10, 1).value(), "");
  EXPECT_EQ(files_.ReadRange(folder_ / "a", UINT64_MAX, 1).value(), "");
  EXPECT_EQ(files_.ReadRange(folder_ / "a", 5, UINT64_MAX).value(), "56789");
}

// Opening a pipe would wait for its writer, for ever where there is none.
TEST_F(FileSystemTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const fs::path& path : {folder_ / "pipe", folder_.path(), fs::path("/dev/zero")}) {
    const auto read = files_.Read(path);
    ASSERT_FALSE(read) << path;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(read.error().message, HasSubstr(path.string()));
  }
}

TEST_F(FileSystemTest, ListsByNameWithSizes) {
  Write(folder_ / "b", "12345");
  ASSERT_TRUE(files_.CreateDirectory(folder_ / "a"));
  const auto entries = files_.List(folder_.path()).value();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_TRUE(entries[0].is_directory);
  EXPECT_EQ(entries[1].name, "b");
  EXPECT_FALSE(entries[1].is_directory);
  EXPECT_EQ(entries[1].size_bytes, 5U);
  EXPECT_EQ(files_.Stat(folder_ / "b")->size_bytes, 5U);
}

TEST_F(FileSystemTest, DirectoriesAreMadeExclusivelyOrWithTheirParents) {
  ASSERT_TRUE(files_.CreateDirectory(folder_ / "a"));
  EXPECT_EQ(files_.CreateDirectory(folder_ / "a").error().code, ErrorCode::kExists);
  EXPECT_EQ(files_.CreateDirectory(folder_ / "x/y").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(files_.CreateDirectories(folder_ / "x/y/z"));
  EXPECT_TRUE(files_.CreateDirectories(folder_ / "x/y/z"));
}

TEST_F(FileSystemTest, RenameReplacesAFileAndNeverAFullFolder) {
  Write(folder_ / "a", "new");
  Write(folder_ / "b", "old");
  ASSERT_TRUE(files_.Rename(folder_ / "a", folder_ / "b"));
  EXPECT_EQ(files_.Read(folder_ / "b").value(), "new");
  EXPECT_FALSE(files_.Exists(folder_ / "a"));
  ASSERT_TRUE(files_.CreateDirectories(folder_ / "full/inside"));
  ASSERT_TRUE(files_.CreateDirectory(folder_ / "other"));
  EXPECT_FALSE(files_.Rename(folder_ / "other", folder_ / "full"));
  EXPECT_TRUE(files_.Exists(folder_ / "full/inside"));
}

TEST_F(FileSystemTest, RemoveTakesAFileOrAnEmptyFolderAndRemoveAllEverything) {
  Write(folder_ / "a", "");
  ASSERT_TRUE(files_.CreateDirectories(folder_ / "d/e"));
  Write(folder_ / "d/e/f", "x");
  EXPECT_FALSE(files_.Remove(folder_ / "d"));
  EXPECT_TRUE(files_.Remove(folder_ / "a"));
  EXPECT_EQ(files_.Remove(folder_ / "a").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(files_.RemoveAll(folder_ / "d"));
  EXPECT_TRUE(files_.RemoveAll(folder_ / "d")) << "gone already is no error";
  EXPECT_FALSE(files_.Exists(folder_ / "d"));
}

TEST_F(FileSystemTest, ErrorsNameTheirPath) {
  const fs::path missing = folder_ / "missing";
  const auto expect_not_found = [&](const auto& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(result.error().message, HasSubstr(missing.string()));
  };
  expect_not_found(files_.Read(missing));
  expect_not_found(files_.ReadRange(missing, 0, 1));
  expect_not_found(files_.Stat(missing));
  expect_not_found(files_.List(missing));
  expect_not_found(files_.SyncDirectory(missing));
  expect_not_found(files_.Create(missing / "a"));
}

TEST_F(FileSystemTest, AFolderIsNoFile) {
  EXPECT_EQ(files_.Read(folder_.path()).error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(files_.Create(folder_.path()));
  Write(folder_ / "a", "");
  EXPECT_FALSE(files_.List(folder_ / "a"));
  EXPECT_FALSE(files_.SyncDirectory(folder_ / "a"));
}

TEST_F(FileSystemTest, ADiskThatIsFullSaysSo) {
  if (::access("/dev/full", W_OK) != 0) FAIL() << "this system has no /dev/full";
  auto file = files_.OpenForAppend("/dev/full").value();
  const auto appended = file->Append(Bytes("x"));
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(appended.error().message, HasSubstr("/dev/full"));
}

TEST_F(FileSystemTest, AnEntryThatCannotBeLookedAtIsAnErrorAndOneThatIsGoneIsNot) {
  Write(folder_ / "a", "");
  fs::create_symlink("gone", folder_ / "b");
  EXPECT_EQ(files_.List(folder_.path()).value().size(), 1U);
  fs::create_symlink("loop", folder_ / "loop");
  const auto listed = files_.List(folder_.path());
  ASSERT_FALSE(listed) << "what is passed over in silence is taken for lost";
  EXPECT_THAT(listed.error().message, HasSubstr("loop"));
}

// ---- WriteFileDurably ----

TEST_F(FileSystemTest, AFileThatCannotBeWrittenDurablyLeavesNothingBehind) {
  for (int64_t operation = 1;; ++operation) {
    testing::FaultyFileSystem faulty(files_);
    faulty.CutShortAt(operation, ErrorCode::kNoSpace);
    const auto written = WriteFileDurably(faulty, folder_ / "a", "something long");
    EXPECT_FALSE(files_.Exists(folder_ / "a.tmp")) << "operation " << operation;
    if (!faulty.fault_happened()) break;
    EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
  }
}

TEST_F(FileSystemTest, WriteFileDurablyReplacesTheFileAndLeavesNothingElse) {
  ASSERT_TRUE(WriteFileDurably(files_, folder_ / "a", "old"));
  ASSERT_TRUE(WriteFileDurably(files_, folder_ / "a", "new"));
  EXPECT_EQ(files_.Read(folder_ / "a").value(), "new");
  EXPECT_EQ(files_.List(folder_.path())->size(), 1U);
}

TEST_F(FileSystemTest, WriteFileDurablyLeavesTheOldOrTheNewWhateverHappens) {
  for (int64_t operation = 1;; ++operation) {
    ASSERT_TRUE(WriteFileDurably(files_, folder_ / "a", "old"));
    testing::FaultyFileSystem faulty(files_);
    faulty.CrashAt(operation);
    const bool acknowledged = WriteFileDurably(faulty, folder_ / "a", "something new").has_value();
    const bool crashed = faulty.fault_happened();
    faulty.LoseAllUnsynced();
    const std::string contents = files_.Read(folder_ / "a").value();
    if (acknowledged) {
      EXPECT_EQ(contents, "something new");
    } else {
      EXPECT_THAT(contents, ::testing::AnyOf("old", "something new")) << "operation " << operation;
    }
    if (!crashed) break;
  }
}

}  // namespace
}  // namespace tutti
