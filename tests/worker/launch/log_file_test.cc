#include "worker/launch/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace tutti::worker {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using tutti::testing::TemporaryFolder;

class LogFileTest : public ::testing::Test {
 protected:
  LogFile Open(uint64_t limit_bytes) { return LogFile::Open(files_, path_, limit_bytes).value(); }
  std::string Content() { return files_.Read(path_).value(); }

  TemporaryFolder folder_;
  FileSystem& files_ = PosixFileSystem();
  const std::filesystem::path path_ = folder_ / "log.txt";
};

TEST_F(LogFileTest, AppendsToWhatIsThere) {
  Open(100).Append("one\n");
  Open(100).Append("two\n");
  EXPECT_EQ(Content(), "one\ntwo\n");
}

TEST_F(LogFileTest, EndsWithANoticeAtItsLimit) {
  LogFile log = Open(5);
  log.Append("123");
  log.Append("4567");
  log.Append("8");
  EXPECT_THAT(Content(), StartsWith("12345\n"));
  EXPECT_THAT(Content(), HasSubstr("the log is full"));
  EXPECT_THAT(Content(), EndsWith("\n"));
  EXPECT_EQ(Content().find('8'), std::string::npos);
}

TEST_F(LogFileTest, RemembersTheLastLinesAlthoughTheFileIsFull) {
  LogFile log = Open(4);
  log.Append("first\nsecond\n");
  log.Append("out of memory\n");
  EXPECT_EQ(log.LastLines(), "first\nsecond\nout of memory\n");
}

TEST_F(LogFileTest, RemembersTwentyLines) {
  LogFile log = Open(1 << 20);
  for (int line = 1; line <= 30; ++line) log.Append(fmt::format("line {}\n", line));
  EXPECT_THAT(log.LastLines(), StartsWith("line 11\n"));
  EXPECT_THAT(log.LastLines(), EndsWith("line 30\n"));
}

TEST_F(LogFileTest, RemembersWholeLinesOnly) {
  LogFile log = Open(1 << 20);
  log.Append(std::string(4090, 'x') + "\nend\n");
  log.Append("of it");
  EXPECT_EQ(log.LastLines(), "end\nof it");
}

TEST_F(LogFileTest, RemembersTheEndOfALineThatNeverEnds) {
  LogFile log = Open(1 << 20);
  log.Append(std::string(10000, 'x'));
  EXPECT_THAT(log.LastLines(), SizeIs(4096));
}

TEST_F(LogFileTest, OnAFullDiskIsGivenUpSilently) {
  auto log = LogFile::Open(files_, "/dev/full", 100);
  ASSERT_TRUE(log) << log.error().Text();
  log->Append("lost\n");
  log->Append("kept in mind\n");
  EXPECT_EQ(log->LastLines(), "lost\nkept in mind\n");
}

}  // namespace
}  // namespace tutti::worker
