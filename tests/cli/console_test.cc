#include "cli/console.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

TEST(Colour, IsForTerminalsAlone) {
  EXPECT_EQ(ColourFor(TerminalSize{}, nullptr), Colour::kOn);
  EXPECT_EQ(ColourFor(std::nullopt, nullptr), Colour::kOff);
}

TEST(Colour, IsRefusedByNoColorUnlessThatIsEmpty) {
  EXPECT_EQ(ColourFor(TerminalSize{}, "1"), Colour::kOff);
  EXPECT_EQ(ColourFor(TerminalSize{}, ""), Colour::kOn);
}

TEST(LiveBlock, DrawsOverWhatItDrewAndLeavesNothing) {
  testing::internal::CaptureStdout();
  {
    LiveBlock block;
    block.Draw({"one", "two"}, 80);
    block.Draw({"three"}, 80);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "one\x1b[K\ntwo\x1b[K\n\x1b[J"
            "\x1b[2A\rthree\x1b[K\n\x1b[J"
            "\x1b[1A\r\x1b[J");
}

TEST(LiveBlock, GoesUpOverLinesThatANarrowerTerminalHasWrapped) {
  testing::internal::CaptureStdout();
  {
    LiveBlock block;
    block.Draw({"12345678", "\x1b[1m1234\x1b[0m", ""}, 80);
    block.Draw({}, 4);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "12345678\x1b[K\n\x1b[1m1234\x1b[0m\x1b[K\n\x1b[K\n\x1b[J"
            "\x1b[4A\r\x1b[J");
}

TEST(LiveBlock, MakesWayForWhatIsSaidInBetween) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  LiveBlock block;
  block.Draw({"one"}, 80);
  block.Interject("stopping\n");
  block.Draw({"two"}, 80);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "stopping\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "one\x1b[K\n\x1b[J\x1b[1A\r\x1b[Jtwo\x1b[K\n\x1b[J");
}

TEST(ColumnsOf, CountsCharactersAndNoColours) {
  EXPECT_EQ(ColumnsOf("\x1b[32m█ 5 %\x1b[0m"), 5u);
  EXPECT_EQ(ColumnsOf(""), 0u);
}

}  // namespace
}  // namespace tutti::cli
