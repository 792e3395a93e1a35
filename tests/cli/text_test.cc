#include "cli/render/text.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

TEST(FormatDuration, ChoosesTheUnitThatAPersonWould) {
  EXPECT_EQ(FormatDuration(0), "0 s");
  EXPECT_EQ(FormatDuration(-3), "0 s");
  EXPECT_EQ(FormatDuration(0.44), "0.4 s");
  EXPECT_EQ(FormatDuration(9.96), "10 s");
  EXPECT_EQ(FormatDuration(59.4), "59 s");
  EXPECT_EQ(FormatDuration(59.6), "1 min 00 s");
  EXPECT_EQ(FormatDuration(552), "9 min 12 s");
  EXPECT_EQ(FormatDuration(7500), "2 h 05 min");
  EXPECT_EQ(FormatDuration(3 * 86400 + 4 * 3600 + 59), "3 d 4 h");
}

TEST(FormatBytes, CountsInDecimalUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1500), "1.5 kB");
  EXPECT_EQ(FormatBytes(999'990), "1.0 MB");
  EXPECT_EQ(FormatBytes(3'200'000'000), "3.2 GB");
}

TEST(FormatMembers, OneIsNoPlural) {
  EXPECT_EQ(FormatMembers(1), "1 member");
  EXPECT_EQ(FormatMembers(10), "10 members");
}

TEST(FormatCount, GroupsThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(10000), "10,000");
  EXPECT_EQ(FormatCount(-1234567), "-1,234,567");
}

TEST(FormatLoss, ShowsADashForWhatIsNotKnown) {
  EXPECT_EQ(FormatLoss(std::optional<double>()), "-");
  EXPECT_EQ(FormatLoss(0.25914), "0.2591");
  EXPECT_EQ(FormatLoss(1234567), "1.2e+06");
}

TEST(OneLine, LeavesNothingThatWouldMoveTheCursor) { EXPECT_EQ(OneLine("one\ntwo\x1b[2J\x7f é"), "one two [2J  é"); }

TEST(Shorten, CutsAtColumnsNotAtBytes) {
  EXPECT_EQ(Shorten("äöü", 3), "äöü");
  EXPECT_EQ(Shorten("äöüß", 3), "äö…");
  EXPECT_EQ(Shorten("abc", 0), "");
}

TEST(ProgressBar, IsClampedToItsWidth) {
  EXPECT_EQ(ProgressBar(0.5, 4), "██░░");
  EXPECT_EQ(ProgressBar(-1, 2), "░░");
  EXPECT_EQ(ProgressBar(7, 2), "██");
  EXPECT_EQ(ProgressBar(std::numeric_limits<double>::quiet_NaN(), 2), "░░");
}

TEST(Table, AlignsColumnsAndLeavesNoBlanksAtTheEnd) {
  Table table({Table::Align::kLeft, Table::Align::kRight, Table::Align::kLeft});
  table.Add({"müller", "1", "x"});
  table.Add({"a", "1,000"});
  EXPECT_EQ(table.Render(Colour::kOff),
            "müller      1  x\n"
            "a       1,000\n");
}

TEST(Table, PutsBelowWhatThePageHasNoRoomForAndLeavesOutRowsWithoutIt) {
  Table table({Table::Align::kLeft, Table::Align::kRight, Table::Align::kLeft});
  table.Add({"name", "n", "remark"});
  table.Add({"a", "1"});
  table.Add({"b", "2", "is too long for any page"});
  EXPECT_EQ(table.Render(Page(Colour::kOff, 33)),
            "name  n  remark\n"
            "a     1\n"
            "b     2  is too long for any page\n");
  const std::string narrow =
      "name  n\n"
      "a     1\n"
      "b     2\n"
      "\n"
      "name  remark\n"
      "b     is too long for any page\n";
  EXPECT_EQ(table.Render(Page(Colour::kOff, 32)), narrow);
  EXPECT_EQ(table.Render(Page(Colour::kOff, 1)), narrow);
}

TEST(Table, OfOneColumnHasNothingToPutBelow) {
  Table table({Table::Align::kLeft});
  table.Add({"a"});
  EXPECT_EQ(table.Render(Page(Colour::kOff, 1)), "a\n");
}

TEST(Table, ColoursWholeLinesWithoutChangingTheirWidth) {
  Table table({Table::Align::kLeft, Table::Align::kLeft});
  table.Add({"a", "b"}, Ink::kGreen);
  EXPECT_EQ(table.Render(Colour::kOn), "\x1b[32ma  b\x1b[0m\n");
  EXPECT_EQ(table.Render(Colour::kOff), "a  b\n");
}

}  // namespace
}  // namespace tutti::cli
