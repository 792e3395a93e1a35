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
    block.Draw({"one", "two"});
    block.Draw({"three"});
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "one\x1b[K\ntwo\x1b[K\n\x1b[J"
            "\x1b[2A\rthree\x1b[K\n\x1b[J"
            "\x1b[1A\r\x1b[J");
}

}  // namespace
}  // namespace tutti::cli
