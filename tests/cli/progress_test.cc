#include "cli/render/progress.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/cli/documents.h"

namespace tutti::cli {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::StartsWith;

LiveView Wide() {
  LiveView view;
  view.width = 120;
  view.elapsed_seconds = 192;
  view.seconds_left = 270;
  return view;
}

TEST(RenderLive, ShowsTheMembersAsWrittenInColumns) {
  EXPECT_THAT(RenderLive(Running(), Wide()),
              ElementsAre("small-1  1 of 3 members  ██████████░░░░░░░░░░ 50 %  3 min 12 s, about 4 min 30 s left",
                          "  member     state     progress    epoch  val. loss  accuracy  images/s",
                          "  lenet5-s0  finished              2.0/2     0.2500   91.20 %",
                          "  lenet5-s1  running   █████░░░░░  1.0/2     0.4100   84.90 %    10,234",
                          "  mlp-s0     waiting   needs 1 slot, none is free"));
}

TEST(RenderLive, GoesWithoutColumnsAndWithoutTheBarWhereTheyDoNotFit) {
  LiveView view = Wide();
  view.width = 49;
  EXPECT_THAT(RenderLive(Running(), view),
              ElementsAre("small-1  50 %  about 4 min 30 s left", "  member     state     progress    accuracy",
                          "  lenet5-s0  finished               91.20 %", "  lenet5-s1  running   █████░░░░░   84.90 %",
                          "  mlp-s0     waiting   needs 1 slot, none is free"));
}

TEST(RenderLive, ShowsWhatRunsFirstWhereNotAllFit) {
  EnsembleDocument document = Running();
  for (int i = 0; i < 9; ++i) document.members.push_back(document.members[2]);
  LiveView view = Wide();
  view.height = 6;  // too low for headings
  EXPECT_THAT(RenderLive(document, view), ElementsAre(HasSubstr("1 of 3 members"), HasSubstr("lenet5-s1"),
                                                      HasSubstr("lenet5-s0"), HasSubstr("mlp-s0"), "  and 9 waiting"));
}

TEST(RenderLive, FitsTheTerminal) {
  EnsembleDocument document = Running();
  for (int i = 0; i < 50; ++i) document.members.push_back(document.members[2]);
  LiveView view = Wide();
  view.width = 30;
  view.height = 10;
  const auto lines = RenderLive(document, view);
  EXPECT_LT(lines.size(), view.height);
  for (const std::string& line : lines) EXPECT_LE(DisplayWidth(line), view.width) << line;
  EXPECT_EQ(lines.back(), "  and 47 waiting");
  for (view.height = 1; view.height < 60; ++view.height) {
    EXPECT_LT(RenderLive(document, view).size(), view.height) << view.height;
  }
}

TEST(RenderLive, AnErrorTakesOneLine) {
  EnsembleDocument document = Running();
  document.members[1].state = "failed";
  document.members[1].last_error = "loss is not finite\nat step 12";
  EXPECT_EQ(RenderLive(document, Wide())[3], "  lenet5-s1  failed    loss is not finite at step 12");
}

TEST(RenderLive, WhatBecameOfAMemberCountsForMoreThanAnAttemptBefore) {
  EnsembleDocument document = Running();
  document.members[1].last_error = "ended by signal 9";
  for (const auto& [state, reason] : {std::pair("failed", "given up after 3 failures: no space"),
                                      std::pair("waiting", "ended by signal 9; tries again at 12:01"),
                                      std::pair("stopped", "on request"), std::pair("cancelled", "cancelled")}) {
    document.members[1].state = state;
    document.members[1].reason = reason;
    EXPECT_THAT(RenderLive(document, Wide())[3], EndsWith(std::string("  ") + reason));
    EXPECT_THAT(RenderMembers(document, Colour::kOff), HasSubstr(std::string("  ") + reason + "\n"));
  }
}

TEST(OverallProgress, CountsWhatFailedAsDone) {
  EnsembleDocument document = Running();
  EXPECT_DOUBLE_EQ(OverallProgress(document), 0.5);
  document.members[2].state = "failed";
  EXPECT_DOUBLE_EQ(OverallProgress(document), 2.5 / 3);
  EXPECT_EQ(OverallProgress({}), 0);
}

TEST(TimeLeft, GoesByWhatWasMadeSinceItBegan) {
  TimeLeft time_left;
  EXPECT_EQ(time_left.Seconds(0.5, 0), std::nullopt);  // a resumed one begins in the middle
  EXPECT_EQ(time_left.Seconds(0.501, 10), std::nullopt);
  EXPECT_THAT(time_left.Seconds(0.75, 100), Optional(100));
}

TEST(ChangeTeller, SaysNothingOfWhatWasThereAtTheBeginning) {
  ChangeTeller teller;
  EXPECT_THAT(teller.Tell(Running()), IsEmpty());
  EXPECT_THAT(teller.Tell(Running()), IsEmpty());
}

TEST(ChangeTeller, TellsEachEpochOnce) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  document.members[1].curve.push_back({2, 0.5, 0.3, 0.9});
  EXPECT_THAT(teller.Tell(document), ElementsAre("lenet5-s1: epoch 2 of 2, train loss 0.5000, validation loss 0.3000, "
                                                 "accuracy 90.00 %, 10,234 images/s"));
  EXPECT_THAT(teller.Tell(document), IsEmpty());
}

TEST(ChangeTeller, TellsAStartBeforeAndAnEndAfterTheEpochs) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  document.members[2] = document.members[0];
  document.members[2].name = "mlp-s0";
  document.members[2].curve.resize(1);
  EXPECT_THAT(teller.Tell(document),
              ElementsAre("mlp-s0: epoch 1 of 2, train loss 0.6000, validation loss 0.4000, accuracy 85.00 %",
                          "mlp-s0: finished after 55 s"));
}

TEST(ChangeTeller, CountsAShortenedEpochAsOne) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  document.members[1].epochs = 1.111;
  document.members[1].curve.push_back({2, 0.5, 0.3, 0.9});
  EXPECT_THAT(teller.Tell(document), ElementsAre(StartsWith("lenet5-s1: epoch 2 of 2, train loss 0.5000")));
}

TEST(ChangeTeller, TellsAFailureWithItsErrorAndTheNextAttempt) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  document.members[1].state = "waiting";
  document.members[1].last_error = "killed by signal 9";
  document.members[1].reason = "killed by signal 9; tries again at 12:01";
  EXPECT_THAT(teller.Tell(document), ElementsAre("lenet5-s1: waiting: killed by signal 9; tries again at 12:01"));
  document.members[1].reason.clear();
  document.members[1].state = "running";
  document.members[1].attempts = 2;
  EXPECT_THAT(teller.Tell(document), ElementsAre("lenet5-s1: running, attempt 2 on host:1"));
}

TEST(ChangeTeller, AMemberThatIsStoppedSaysNothingOfAnAttemptBefore) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  document.members[1].last_error = "ended by signal 9";
  teller.Tell(document);
  document.members[1].state = "stopped";
  document.members[1].reason = "on request";
  EXPECT_THAT(teller.Tell(document), ElementsAre("lenet5-s1: stopped: on request"));
}

TEST(ChangeTeller, TellsMembersThatFailTogetherOnce) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  for (const size_t member : {1, 2}) {
    document.members[member].state = "failed";
    document.members[member].reason = "needs the inspection of the data, which failed";
  }
  EXPECT_THAT(teller.Tell(document),
              ElementsAre("lenet5-s1 and 1 more: failed: needs the inspection of the data, which failed"));
  EXPECT_THAT(teller.Tell(document), IsEmpty());
}

TEST(ChangeTeller, TellsWhatAnAttemptHadToGoBackTo) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  document.members[1].attempts = 2;
  document.members[1].reason = "step 20 cannot be read any more, goes on from step 10";
  EXPECT_THAT(teller.Tell(document), ElementsAre("lenet5-s1: running, attempt 2 on host:1: step 20 cannot be read any "
                                                 "more, goes on from step 10"));
  EXPECT_THAT(RenderMembers(document, Colour::kOff), HasSubstr("10,234 images/s; step 20 cannot be read"));
}

TEST(ChangeTeller, TellsAnAttemptThatWasReplacedBetweenTwoLooks) {
  ChangeTeller teller;
  EnsembleDocument document = Running();
  teller.Tell(document);
  document.members[1].attempts = 2;
  EXPECT_THAT(teller.Tell(document), ElementsAre("lenet5-s1: running, attempt 2 on host:1"));
}

TEST(RenderMembers, ListsEveryMemberAsWritten) {
  EXPECT_EQ(RenderMembers(Running(), Colour::kOff),
            "member     state     epoch  val. loss  accuracy  trained  remark\n"
            "lenet5-s0  finished    2/2     0.2500   91.20 %     55 s\n"
            "lenet5-s1  running     1/2     0.4100   84.90 %     27 s  10,234 images/s\n"
            "mlp-s0     waiting     0/2          -         -           needs 1 slot, none is free\n");
}

}  // namespace
}  // namespace tutti::cli
