#include "common/protocol/event_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace tutti::protocol {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using tutti::testing::TemporaryFolder;

std::string Line(int64_t step) { return ToJson(StoppedEarly{step}).dump() + "\n"; }

class EventFollowerTest : public ::testing::Test {
 protected:
  void Append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  std::vector<int64_t> Steps() {
    std::vector<int64_t> steps;
    const std::vector<FollowedEvent> events = follower_.Next().value();
    for (const FollowedEvent& followed : events) {
      steps.push_back(std::get<StoppedEarly>(followed.event).step);
    }
    return steps;
  }

  TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "events.jsonl";
  EventFollower follower_{PosixFileSystem(), path_};
};

TEST_F(EventFollowerTest, ReadsEachLineOnce) {
  Append(Line(1) + Line(2));
  EXPECT_THAT(Steps(), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(Steps(), IsEmpty());
  Append(Line(3));
  EXPECT_THAT(Steps(), ::testing::ElementsAre(3));
}

TEST_F(EventFollowerTest, SequencesAreTheOffsetsAfterTheLines) {
  Append(Line(1) + Line(22));
  const auto events = follower_.Next().value();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].sequence, static_cast<int64_t>(Line(1).size()));
  EXPECT_EQ(events[1].sequence, static_cast<int64_t>((Line(1) + Line(22)).size()));
}

TEST_F(EventFollowerTest, WaitsForAFileThatIsNotThereYet) {
  EXPECT_THAT(follower_.Next().value(), IsEmpty());
  EXPECT_TRUE(follower_.at_end());
  Append(Line(1));
  EXPECT_THAT(Steps(), SizeIs(1));
}

TEST_F(EventFollowerTest, WaitsForTheEndOfALine) {
  Append(Line(1).substr(0, 10));
  EXPECT_THAT(Steps(), IsEmpty());
  Append(Line(1).substr(10));
  EXPECT_THAT(Steps(), ::testing::ElementsAre(1));
}

TEST_F(EventFollowerTest, PassesOverWhatIsNoEvent) {
  Append("\n{}\n[1\n" + std::string(3, '\0') + "\n" + Line(7));
  EXPECT_THAT(Steps(), ::testing::ElementsAre(7));
}

TEST_F(EventFollowerTest, GoesBackToAnOffset) {
  Append(Line(1) + Line(2));
  Steps();
  follower_.GoTo(static_cast<int64_t>(Line(1).size()));
  EXPECT_THAT(Steps(), ::testing::ElementsAre(2));
}

TEST_F(EventFollowerTest, ReadsALargeFilePieceByPiece) {
  std::string text;
  while (text.size() < 2'500'000) text += Line(5);
  Append(text);
  size_t pieces = 0, events = 0;
  do {
    events += follower_.Next().value().size();
    ++pieces;
  } while (!follower_.at_end());
  EXPECT_EQ(events, text.size() / Line(5).size());
  EXPECT_EQ(pieces, 3u);
}

TEST_F(EventFollowerTest, PassesOverALineOfSeveralPieces) {
  Append(Line(1) + std::string(3'000'000, 'x') + "\n" + Line(2));
  std::vector<int64_t> steps;
  do {
    for (const int64_t step : Steps()) steps.push_back(step);
  } while (!follower_.at_end());
  EXPECT_THAT(steps, ::testing::ElementsAre(1, 2));
}

TEST_F(EventFollowerTest, TellsThatAFileCannotBeRead) {
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(follower_.Next());
}

}  // namespace
}  // namespace tutti::protocol
