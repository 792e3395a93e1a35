#include "worker/trainer/training/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::trainer {
namespace {

using ::testing::IsEmpty;

std::vector<std::string> LinesOf(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::string text = PosixFileSystem().Read(path).value();
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.erase(0, end + 1);
  }
  EXPECT_THAT(text, IsEmpty()) << "the last line has no end";
  return lines;
}

TEST(EventLog, BeginsANewLineAfterOneThatAFullDiskCutShort) {
  const tutti::testing::TemporaryFolder folder;
  tutti::testing::FaultyFileSystem disk(PosixFileSystem());
  const auto log = EventLog::Open(disk, folder / "events.jsonl").value();
  disk.CutShortAt(disk.operations() + 1, ErrorCode::kNoSpace);
  EXPECT_EQ(log->Append(protocol::StoppedEarly{1}).error().code, ErrorCode::kNoSpace);
  ASSERT_TRUE(log->AppendDurably(protocol::Failed{"the disk is full"}));
  ASSERT_TRUE(log->Append(protocol::StoppedEarly{2}));

  const auto lines = LinesOf(folder / "events.jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1], protocol::ToJson(protocol::Failed{"the disk is full"}).dump());
  EXPECT_EQ(lines[2], protocol::ToJson(protocol::StoppedEarly{2}).dump());
}

}  // namespace
}  // namespace tutti::trainer
