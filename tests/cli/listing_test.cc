#include "cli/render/listing.h"

#include <gmock/gmock.h>

#include "tests/cli/documents.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RenderListing, HasALineForEachEnsemble) {
  EnsembleDocument finished = Running();
  finished.id = "fashion-mnist-12";
  finished.state = "finished";
  finished.members_finished = 3;
  finished.ended_at = "2026-03-01T12:09:12.000Z";
  EnsembleDocument left = Running();
  left.state = "stopped";
  left.note = "its process is gone";
  EXPECT_EQ(RenderListing({Running(), left, finished}, "/runs", {}, Colour::kOff),
            "ensemble          state     members  submitted (UTC)   ended after  remark\n"
            "small-1           running    1 of 3  2026-03-01 12:00\n"
            "small-1           stopped    1 of 3  2026-03-01 12:00               its process is gone; tutti resume "
            "small-1\n"
            "fashion-mnist-12  finished   3 of 3  2026-03-01 12:00   9 min 12 s\n");
}

TEST(RenderListing, PutsRemarksBelowWhereATerminalHasNoRoomBeside) {
  EnsembleDocument left = Running();
  left.state = "stopped";
  left.note = "its process is gone";
  NextCommand next;
  next.home = "/my runs";
  EXPECT_EQ(RenderListing({left}, "/my runs", next, Page(Colour::kOff, 80)),
            "ensemble  state    members  submitted (UTC)   ended after\n"
            "small-1   stopped   1 of 3  2026-03-01 12:00\n"
            "\n"
            "ensemble  remark\n"
            "small-1   its process is gone; tutti resume small-1 --home '/my runs'\n");
}

TEST(RenderListing, OfNothingSaysWhereItLooked) {
  EXPECT_EQ(RenderListing({}, "/runs", {}, Colour::kOff), "There is no ensemble in /runs yet.\n");
}

TEST(RenderWorkers, SaysWhatASlotIs) {
  const auto render = [](const char* device, int threads, uint64_t bytes) {
    return RenderWorkers({{"n1", true, 2, 0, false, "", device, threads, bytes}}, Colour::kOff);
  };
  EXPECT_THAT(render("cpu", 1, 0), HasSubstr("cpu, 1 thread\n"));
  EXPECT_THAT(render("cpu", 4, 0), HasSubstr("cpu, 4 threads\n"));
  EXPECT_THAT(render("cpu", 4, 8'000'000'000), HasSubstr("cpu, 4 threads, 8.0 GB"));
  EXPECT_THAT(render("cuda", 4, 80'000'000'000), HasSubstr("cuda, 80.0 GB"));
  EXPECT_THAT(render("cuda", 4, 0), HasSubstr("cuda\n"));
}

TEST(RenderWorkers, SaysHowADrainOfSomebodyWhoIsAwayIsEnded) {
  const std::string text = RenderWorkers({{"n1", false, 0, 0, true, "is being drained"}}, Colour::kOff);
  EXPECT_THAT(text, HasSubstr("away"));
  EXPECT_THAT(text, HasSubstr("is being drained; `tutti drain n1 --undo` ends that"));
  EXPECT_THAT(RenderWorkers({{"n1", true, 1, 0, true, "is being drained"}}, Colour::kOff), Not(HasSubstr("--undo")));
}

TEST(ReadEnsembles, RefusesWhatIsNoList) {
  EXPECT_FALSE(ReadEnsembles(Json::object()));
  EXPECT_FALSE(ReadEnsembles(Json(3)));
  EXPECT_EQ(ReadEnsembles(Json{{"ensembles", Json::array({RunningJson()})}})->front().id, "small-1");
}

TEST(RenderShow, OfARunningOneSaysHowFarItIs) {
  const std::string text = RenderShow(Running(), "/runs", {}, Colour::kOff);
  EXPECT_THAT(text, HasSubstr("small-1: running, 1 of 3 members finished\n"));
  EXPECT_THAT(text, HasSubstr("lenet5-s1  running"));
  EXPECT_THAT(text, Not(HasSubstr("resume")));
}

TEST(RenderShow, OfAStoppedOneSaysWhyAndHowToGoOn) {
  EnsembleDocument document = Running();
  document.state = "stopped";
  document.note = "its process is gone";
  const std::string text = RenderShow(document, "/runs", {}, Colour::kOff);
  EXPECT_THAT(text, HasSubstr("small-1: stopped, its process is gone; 1 of 3 members finished\n"));
  EXPECT_THAT(text, HasSubstr("\nGo on with: tutti resume small-1\n"));
}

TEST(RenderShow, OfAnEndedOneHasItsFigures) {
  EnsembleDocument document = Running();
  document.state = "finished";
  document.ended_at = "2026-03-01T12:09:12.000Z";
  document.results = TenMembers();
  EXPECT_THAT(RenderShow(document, "/runs", {}, Colour::kOff), HasSubstr("ensemble: mean"));
}

}  // namespace
}  // namespace tutti::cli
