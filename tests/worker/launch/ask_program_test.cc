#include "worker/launch/ask_program.h"

#include <gmock/gmock.h>

#include "worker/launch/process.h"

namespace tutti::worker {
namespace {

using std::chrono::seconds;
using ::testing::SizeIs;

Result<ProgramAnswer> Shell(const std::string& script, Duration deadline = seconds(60)) {
  return AskProgram({"/bin/sh", "-c", script}, {{"PATH", "/usr/bin:/bin"}, {"WORD", "hello"}}, deadline);
}

TEST(AskProgram, HearsBothStreamsAndTheExitCode) {
  const auto answer = Shell("echo $WORD; echo world >&2; exit 3");
  ASSERT_TRUE(answer) << answer.error().Text();
  EXPECT_EQ(answer->output, "hello\nworld\n");
  EXPECT_EQ(answer->exit_code, 3);
}

TEST(AskProgram, KeepsTheBeginningOfALongAnswer) {
  const auto answer = Shell("head -c 1000000 /dev/zero");
  ASSERT_TRUE(answer) << answer.error().Text();
  EXPECT_EQ(answer->exit_code, 0);
  EXPECT_THAT(answer->output, SizeIs(65536));
}

TEST(AskProgram, KillsWhatHangsWithAllThatItStarted) {
  const auto hung = Shell("sleep 600 & echo $!; wait", std::chrono::milliseconds(200));
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().code, ErrorCode::kTimeout);
}

// A helper in the background that holds the output open is no answer.
TEST(AskProgram, DoesNotWaitForOutputThatNobodyCloses) {
  EXPECT_FALSE(Shell("sleep 600 &", std::chrono::milliseconds(200)));
}

TEST(AskProgram, SaysWhatCannotBeStarted) {
  EXPECT_EQ(AskProgram({"/nowhere"}, {}, seconds(1)).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tutti::worker
