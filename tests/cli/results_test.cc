#include "cli/render/results.h"

#include <gmock/gmock.h>

#include "tests/cli/documents.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

EnsembleDocument Finished() {
  EnsembleDocument document;
  document.id = "fashion-mnist-3";
  document.state = "finished";
  document.submitted_at = "2026-03-01T12:00:00.000Z";
  document.ended_at = "2026-03-01T12:09:12.000Z";
  document.members_total = 10;
  document.members_finished = 10;
  document.results = TenMembers();
  return document;
}

TEST(RenderReport, ShowsMembersBestMemberAndEnsemblesWithNllFirst) {
  EXPECT_EQ(RenderReport(TenMembers(), Colour::kOff),
            "test, 10,000 samples     NLL  accuracy   Brier     ECE\n"
            "mean of 10 members    0.2590   90.80 %  0.1343  0.0211\n"
            "  deviation           0.0031    0.22 %  0.0021  0.0020\n"
            "best on validation    0.2551   91.02 %  0.1316  0.0204  lenet5-s3\n"
            "ensemble: mean        0.2190   92.00 %  0.1180  0.0095  answers\n"
            "ensemble: vote             -   92.01 %       -       -\n"
            "\n"
            "mean against          best on validation             mean of members\n"
            "NLL           -0.0361 [-0.0412, -0.0310]  -0.0400 [-0.0430, -0.0370]\n"
            "accuracy          +0.98 % [+0.70, +1.26]      +1.20 % [+1.01, +1.39]\n"
            "Brier         -0.0136 [-0.0155, -0.0117]  -0.0163 [-0.0176, -0.0150]\n"
            "In brackets 95 % intervals, by a paired bootstrap over the samples.\n"
            "For NLL and Brier less is better.\n");
}

TEST(RenderReport, FitsEightyColumnsAndBelowThemPutsColumnsBeneathEachOther) {
  EXPECT_EQ(RenderReport(TenMembers(), Page(Colour::kOff, 80)), RenderReport(TenMembers(), Colour::kOff));
  EXPECT_THAT(RenderReport(TenMembers(), Page(Colour::kOff, 50)),
              StartsWith("test, 10,000 samples     NLL  accuracy   Brier\n"
                         "mean of 10 members    0.2590   90.80 %  0.1343\n"
                         "  deviation           0.0031    0.22 %  0.0021\n"
                         "best on validation    0.2551   91.02 %  0.1316\n"
                         "ensemble: mean        0.2190   92.00 %  0.1180\n"
                         "ensemble: vote             -   92.01 %       -\n"
                         "\n"
                         "test, 10,000 samples     ECE\n"
                         "mean of 10 members    0.0211\n"
                         "  deviation           0.0020\n"
                         "best on validation    0.0204  lenet5-s3\n"
                         "ensemble: mean        0.0095  answers\n"
                         "ensemble: vote             -\n"
                         "\n"
                         "mean against          best on validation\n"
                         "NLL           -0.0361 [-0.0412, -0.0310]\n"
                         "accuracy          +0.98 % [+0.70, +1.26]\n"
                         "Brier         -0.0136 [-0.0155, -0.0117]\n"
                         "\n"
                         "mean against             mean of members\n"));
}

TEST(RenderReport, OfOneMemberHasNoDeviation) {
  ensemble::EnsembleReport report = TenMembers();
  report.members = 1;
  report.splits[0].members_deviation.reset();
  const std::string text = RenderReport(report, Colour::kOff);
  EXPECT_THAT(text, HasSubstr("the only member"));
  EXPECT_THAT(text, Not(HasSubstr("deviation")));
}

TEST(RenderReport, FallsBackToValidationAndSaysSo) {
  ensemble::EnsembleReport report = TenMembers();
  report.splits[0].split = Split::kValidation;
  EXPECT_THAT(RenderReport(report, Colour::kOff), StartsWith("validation, 10,000 samples"));
}

TEST(RenderReport, WithoutSamplesSaysWhy) {
  ensemble::EnsembleReport report = TenMembers();
  report.splits.clear();
  EXPECT_THAT(RenderReport(report, Colour::kOff), HasSubstr("neither test nor validation samples"));
}

TEST(RenderReport, AnAnsweringVoteIsComparedByAccuracyAlone) {
  ensemble::EnsembleReport report = TenMembers();
  report.combiner = "vote";
  auto& differences = report.splits[0].differences;
  std::erase_if(differences, [](const auto& difference) { return difference.metric != "accuracy"; });
  EXPECT_THAT(RenderReport(report, Colour::kOff),
              HasSubstr("vote against      best on validation         mean of members\n"
                        "accuracy      +0.98 % [+0.70, +1.26]  +1.20 % [+1.01, +1.39]\n"));
}

TEST(RenderReport, ADifferenceThatRoundsToNothingHasNoMinus) {
  ensemble::EnsembleReport report = TenMembers();
  report.splits[0].differences[0].interval = {-0.00001, -0.00004, 0.0};
  report.splits[0].differences[1].interval = {-0.00001, -0.0049, 0.00002};
  const std::string text = RenderReport(report, Colour::kOff);
  EXPECT_THAT(text, HasSubstr("+0.0000 [+0.0000, +0.0000]"));
  EXPECT_THAT(text, HasSubstr("+0.00 % [-0.49, +0.00]"));
}

TEST(RenderReport, CountsSamplesThatMembersDidNotAnswer) {
  ensemble::EnsembleReport report = TenMembers();
  report.splits[0].members_mean.unanswered = 12;
  EXPECT_THAT(RenderReport(report, Colour::kOff), HasSubstr("0.0211  12 samples without an answer"));
}

TEST(RenderReport, ColoursTheAnswerOnATerminalAlone) {
  EXPECT_THAT(RenderReport(TenMembers(), Colour::kOn), HasSubstr("\x1b[32mensemble: mean"));
  EXPECT_THAT(RenderReport(TenMembers(), Colour::kOff), Not(HasSubstr("\x1b")));
}

TEST(RenderEnd, SaysHowLongItTookAndWhereTheFilesAre) {
  const std::string text = RenderEnd(Finished(), "/home/ada/runs", Colour::kOff);
  EXPECT_THAT(text, StartsWith("fashion-mnist-3: finished, 10 members, after 9 min 12 s\n"));
  EXPECT_THAT(text, HasSubstr("Files: /home/ada/runs/fashion-mnist-3\n"));
}

TEST(RenderEnd, TellsTrainingFromTheTimeThatAlsoPassedWhileItLayStopped) {
  EnsembleDocument document = Finished();
  document.ended_at = "2026-03-03T12:00:00.000Z";
  document.members.resize(2);
  for (MemberDocument& member : document.members) member.train_seconds = 90;
  EXPECT_THAT(RenderEnd(document, "/runs", Colour::kOff),
              StartsWith("fashion-mnist-3: finished, 10 members, after 2 d 0 h; trained 3 min 00 s\n"));
}

TEST(RenderEnd, OfAnIncompleteOneCountsMembersAndNamesWhatFailed) {
  EnsembleDocument document = Finished();
  document.state = "incomplete";
  document.members_finished = 9;
  MemberDocument member;
  member.name = "lenet5-s4";
  member.state = "failed";
  member.reason = "given up after 3 failures: no space";
  member.last_error = "no space";
  document.members = {member};
  const std::string text = RenderEnd(document, "/runs", Colour::kOff);
  EXPECT_THAT(text, StartsWith("fashion-mnist-3: incomplete, 9 of 10 members, after 9 min 12 s\n"
                               "lenet5-s4 failed: given up after 3 failures: no space\n"));
}

TEST(RenderEnd, MembersThatFailedForOneReasonShareALine) {
  EnsembleDocument document = Finished();
  document.state = "failed";
  document.note = "no member finished; the inspection of the data: labels.gz is truncated";
  for (int seed = 0; seed < 500; ++seed) {
    MemberDocument& member = document.members.emplace_back();
    member.name = fmt::format("lenet5-s{}", seed);
    member.state = "failed";
    member.reason = "needs the inspection of the data, which failed";
  }
  document.members[7].reason = "diverged";
  EXPECT_THAT(RenderEnd(document, "/runs", Colour::kOff),
              HasSubstr("\nno member finished; the inspection of the data: labels.gz is truncated\n"
                        "lenet5-s0 and 498 more failed: needs the inspection of the data, which failed\n"
                        "lenet5-s7 failed: diverged\n"));
}

TEST(RenderEnd, OfAFailedOneSaysWhy) {
  EnsembleDocument document = Finished();
  document.state = "failed";
  document.members_finished = 0;
  document.results.reset();
  document.note = "the data could not be inspected: /nowhere is not there";
  const std::string text = RenderEnd(document, "/runs", Colour::kOff);
  EXPECT_THAT(text, HasSubstr("/nowhere is not there\n"));
  EXPECT_THAT(text, Not(HasSubstr("NLL")));
}

}  // namespace
}  // namespace tutti::cli
