#include "cli/render/documents.h"

#include <gmock/gmock.h>

#include "tests/cli/documents.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::Optional;

TEST(ReadEnsemble, ReadsWhatTheApiAnswers) {
  const EnsembleDocument document = Running();
  EXPECT_EQ(document.id, "small-1");
  EXPECT_FALSE(document.ended());
  EXPECT_EQ(document.members_finished, 1);
  ASSERT_EQ(document.members.size(), 3);
  EXPECT_THAT(document.members[0].validation_accuracy, Optional(0.912));
  EXPECT_EQ(document.members[0].curve[1].epoch, 2);
  EXPECT_EQ(document.members[1].gang, std::vector<std::string>{"host:1"});
  EXPECT_EQ(document.members[2].train_loss, std::nullopt);
}

TEST(ReadEnsemble, TakesWhatIsMissingOrOfAnotherTypeAsNotKnown) {
  const auto document = ReadEnsemble(
      ParseJson(R"({"id": "a-1", "state": "running", "members": [{"name": "m", "epoch": "two", "curve": 3}, 7]})")
          .value_or(Json()));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->members[0].epoch, 0);
  EXPECT_EQ(document->members[0].Progress(), 0);
}

TEST(ReadEnsemble, RefusesWhatIsNoEnsemble) {
  EXPECT_FALSE(ReadEnsemble(Json(3)));
  EXPECT_THAT(ReadEnsemble(Json::object()).error().message, HasSubstr("id"));
}

TEST(ReadEnsemble, ReadsTheResultsInIt) {
  Json json = RunningJson();
  json["results"] = ToJson(TenMembers());
  EXPECT_EQ(ReadEnsemble(json)->results, TenMembers());
  json["results"]["version"] = 99;
  EXPECT_FALSE(ReadEnsemble(json));
}

TEST(EnsembleDocument, KnowsHowLongItTookOnceItHasEnded) {
  EnsembleDocument document = Running();
  EXPECT_EQ(document.DurationSeconds(), std::nullopt);
  document.ended_at = "2026-03-02T12:00:01.500Z";
  EXPECT_THAT(document.DurationSeconds(), Optional(86401.5));
}

TEST(EnsembleDocument, HasNotEndedWhileItsMembersAreStillStopping) {
  EnsembleDocument document = Running();
  for (const char* state : {"running", "stopped", "cancelled"}) {
    document.state = state;
    EXPECT_FALSE(document.ended()) << state;
  }
  document.ended_at = "2026-03-02T12:00:01.500Z";
  EXPECT_TRUE(document.ended());
}

TEST(MemberDocument, ProgressGoesBySteps) {
  const EnsembleDocument document = Running();
  EXPECT_EQ(document.members[0].Progress(), 1);
  EXPECT_EQ(document.members[1].Progress(), 0.5);
  EXPECT_EQ(document.members[2].Progress(), 0);
}

}  // namespace
}  // namespace tutti::cli
