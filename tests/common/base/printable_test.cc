#include "common/printable.h"

#include <gtest/gtest.h>

#include "common/result.h"

namespace tutti {
namespace {

TEST(Printable, PlainTextStaysAsItIs) {
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable("ümlaut ✓ … \\u001b\n\tnext"), "ümlaut ✓ … \\u001b\n\tnext");
}

TEST(Printable, ControlCharactersAreWrittenOut) {
  EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a\\u0000b");
  EXPECT_EQ(Printable("\x1b[31mred\x7f\r"), "\\u001b[31mred\\u007f\\u000d");
}

// U+009B begins a terminal's code, as ESC and '[' do.
TEST(Printable, ThoseOfTwoBytesToo) {
  EXPECT_EQ(Printable("\xC2\x9B 31m"), "\\u009b 31m");
  EXPECT_EQ(Printable("\xC2\x80\xC2\x9F\xC2\xA0"), "\\u0080\\u009f\xC2\xA0");
}

TEST(Printable, TextThatEndsWithinACharacterIsNotReadBeyond) { EXPECT_EQ(Printable("a\xC2"), "a\xC2"); }

TEST(Printable, ErrorsNeverBringATerminalsCodes) {
  const Error cause{ErrorCode::kIo, "cannot open /x\x1b[2J", nullptr};
  EXPECT_EQ(FailBecause(cause, "no data").value().Text(), "no data: cannot open /x\\u001b[2J");
}

}  // namespace
}  // namespace tutti
