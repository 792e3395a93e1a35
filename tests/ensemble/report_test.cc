#include "ensemble/report.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/ensemble/testing.h"

namespace tutti::ensemble {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// Two members and two classes: "good" is right on validation and wrong on test, "bad" the other way round.
ReportInput TwoMembers() {
  ReportInput input;
  input.classes = 2;
  input.combiner = "mean";
  input.members_total = 3;
  input.labels = {{Split::kTest, LabelsOf({1, 1, 0})}, {Split::kValidation, LabelsOf({0, 1})}};
  input.members = {
      {"bad",
       {{Split::kValidation, PredictionsOf(LogitsOf({{0, 1}, {1, 0}}))},
        {Split::kTest, PredictionsOf(LogitsOf({{0, 3}, {0, 3}, {3, 0}}))}}},
      {"good",
       {{Split::kValidation, PredictionsOf(LogitsOf({{2, 0}, {0, 2}}))},
        {Split::kTest, PredictionsOf(LogitsOf({{1, 0}, {1, 0}, {0, 1}}))}}},
  };
  return input;
}

TEST(Evaluate, ReportsValidationBeforeTest) {
  const EnsembleReport report = Evaluate(TwoMembers()).value();
  EXPECT_THAT(report.splits,
              ElementsAre(Field(&SplitReport::split, Split::kValidation), Field(&SplitReport::split, Split::kTest)));
  EXPECT_EQ(report.splits[1].samples, 3);
}

TEST(Evaluate, TheBestMemberIsChosenOnValidationNeverOnTest) {
  const EnsembleReport report = Evaluate(TwoMembers()).value();
  EXPECT_EQ(report.best_member, "good");
  EXPECT_EQ(FindMetrics(report.Find(Split::kTest)->members, "good")->accuracy, 0);
}

TEST(Evaluate, AMemberThatBrokeIsNeverTheBest) {
  ReportInput input = TwoMembers();
  input.members[1].predictions[Split::kValidation] = PredictionsOf(LogitsOf({{NAN, NAN}, {NAN, NAN}}));
  EXPECT_EQ(Evaluate(input)->best_member, "bad");
}

TEST(Evaluate, SaysHowManyMembersOfHowManyItCombines) {
  const EnsembleReport report = Evaluate(TwoMembers()).value();
  EXPECT_EQ(report.members, 2);
  EXPECT_EQ(report.members_total, 3);
}

TEST(Evaluate, AMemberWithSeveralPredictorsCountsOnce) {
  ReportInput input = TwoMembers();
  input.members[0].name = "lenet5-s0/best";
  input.members[1].name = "lenet5-s0/last";
  EXPECT_EQ(Evaluate(input)->members, 1);
}

TEST(Evaluate, ComparesTheAnsweringCombinerWithTheBestMemberAndTheMeanOfMembers) {
  const EnsembleReport report = Evaluate(TwoMembers()).value();
  const SplitReport& test = *report.Find(Split::kTest);
  ASSERT_THAT(test.differences, SizeIs(6));
  const Metrics& mean = *FindMetrics(test.combiners, "mean");
  EXPECT_EQ(test.differences[0].versus, Difference::Versus::kBestMember);
  EXPECT_EQ(test.differences[0].metric, "nll");
  EXPECT_NEAR(test.differences[0].interval.difference, *mean.nll - *FindMetrics(test.members, "good")->nll, 1e-12);
  EXPECT_EQ(test.differences[3].versus, Difference::Versus::kMembersMean);
  EXPECT_NEAR(test.differences[3].interval.difference, *mean.nll - *test.members_mean.nll, 1e-12);
}

TEST(Evaluate, AnAnsweringVoteIsComparedByAccuracyAlone) {
  ReportInput input = TwoMembers();
  input.combiner = "vote";
  const EnsembleReport report = Evaluate(input).value();
  EXPECT_THAT(report.Find(Split::kTest)->differences,
              ElementsAre(Field(&Difference::metric, "accuracy"), Field(&Difference::metric, "accuracy")));
}

TEST(Evaluate, OneMemberHasNoDeviation) {
  ReportInput input = TwoMembers();
  input.members.pop_back();
  EXPECT_EQ(Evaluate(input)->splits[0].members_deviation, std::nullopt);
}

TEST(Evaluate, WithoutValidationThereIsNoBestMemberAndTestIsStillReported) {
  ReportInput input = TwoMembers();
  input.labels[Split::kValidation] = {};
  for (MemberInput& member : input.members) member.predictions.erase(Split::kValidation);
  const EnsembleReport report = Evaluate(input).value();
  EXPECT_EQ(report.best_member, std::nullopt);
  ASSERT_THAT(report.splits, SizeIs(1));
  EXPECT_THAT(report.splits[0].differences, SizeIs(3));
  EXPECT_EQ(report.splits[0].differences[0].versus, Difference::Versus::kMembersMean);
}

TEST(Evaluate, WithoutAnySplitThereAreNoFigures) {
  ReportInput input = TwoMembers();
  input.labels.clear();
  EXPECT_THAT(Evaluate(input)->splits, IsEmpty());
}

struct Broken {
  std::string says;
  std::function<void(ReportInput&)> by;
};

TEST(Evaluate, NamesWhatIsWrongWithItsInput) {
  for (const Broken& broken : std::vector<Broken>{
           {"no combiner is named 'median'", [](auto& input) { input.combiner = "median"; }},
           {"no member has predictions", [](auto& input) { input.members.clear(); }},
           {"member good has no predictions on test",
            [](auto& input) { input.members[1].predictions.erase(Split::kTest); }},
           {"member good predicts 3 classes on validation, the data has 2",
            [](auto& input) {
              input.members[1].predictions[Split::kValidation] = PredictionsOf(LogitsOf({{0, 0, 0}, {0, 0, 0}}));
            }},
           {"member bad on test: sample 2 is not predicted",
            [](auto& input) { input.members[0].predictions[Split::kTest].ids[2] = 7; }},
           {"test: sample 1 has label 2, outside the 2 classes",
            [](auto& input) { input.labels[Split::kTest].labels[1] = 2; }},
           {"test: sample 1 has label -1", [](auto& input) { input.labels[Split::kTest].labels[1] = -1; }},
           {"test: 3 sample ids beside 2 labels", [](auto& input) { input.labels[Split::kTest].labels.pop_back(); }},
       }) {
    SCOPED_TRACE(broken.says);
    ReportInput input = TwoMembers();
    broken.by(input);
    const auto report = Evaluate(input);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(report.error().Text(), HasSubstr(broken.says));
  }
}

TEST(CombineSplit, GivesTheAnsweringCombinersSharesInTheLabelsOrder) {
  ReportInput input = TwoMembers();
  const Combination combination = CombineSplit(input, Split::kTest).value();
  EXPECT_EQ(combination.shares.rows(), 3);
  EXPECT_GT(combination.shares(0, 1), 0.5);
  EXPECT_GT(combination.shares(2, 0), 0.5);
}

TEST(CombineSplit, OfASplitThatIsNotThereIsNotFound) {
  EXPECT_EQ(CombineSplit(TwoMembers(), Split::kCalibration).error().code, ErrorCode::kNotFound);
}

TEST(ReportJson, ReadsBackAsItWasWritten) {
  const EnsembleReport report = Evaluate(TwoMembers()).value();
  const auto again = ReportFromJson(ParseJson(ToJson(report).dump()).value());
  ASSERT_TRUE(again) << again.error().Text();
  EXPECT_EQ(*again, report);
}

TEST(ReportJson, OfAReportWithGapsReadsBackToo) {
  ReportInput input = TwoMembers();
  input.members.pop_back();
  input.labels.erase(Split::kValidation);
  const EnsembleReport report = Evaluate(input).value();
  EXPECT_EQ(ReportFromJson(ToJson(report)).value(), report);
}

TEST(ReportJson, FindsFiguresByTheNamesOfSplitMemberAndCombiner) {
  const Json json = ToJson(Evaluate(TwoMembers()).value());
  EXPECT_EQ(json["splits"]["test"]["members"]["good"]["accuracy"], 0);
  EXPECT_EQ(json["splits"]["validation"]["combiners"]["mean"]["accuracy"], 1);
  EXPECT_TRUE(json["splits"]["test"]["combiners"]["vote"]["nll"].is_null());
}

TEST(ReportJson, RefusesWhatIsNoReport) {
  EXPECT_THAT(ReportFromJson(Json::object()).error().message, HasSubstr("version"));
  Json newer = ToJson(Evaluate(TwoMembers()).value());
  newer["version"] = 2;
  EXPECT_THAT(ReportFromJson(newer).error().message, HasSubstr("version 2"));
  Json wrong = ToJson(Evaluate(TwoMembers()).value());
  wrong["splits"]["test"]["differences"][0]["versus"] = "luck";
  EXPECT_THAT(ReportFromJson(wrong).error().message, HasSubstr("'luck'"));
  wrong["splits"] = 3;
  EXPECT_FALSE(ReportFromJson(wrong));
}

TEST(ReportCsv, HasALineForEachFigure) {
  const std::string csv = ToCsv(Evaluate(TwoMembers()).value());
  EXPECT_THAT(csv, StartsWith("split,kind,name,metric,value,low,high\nvalidation,combiner,mean,nll,"));
  EXPECT_THAT(csv, HasSubstr("\ntest,combiner,vote,accuracy,"));
  EXPECT_THAT(csv, Not(HasSubstr("vote,nll")));
  EXPECT_THAT(csv, HasSubstr("\ntest,member,good,accuracy,0,,\n"));
  EXPECT_THAT(csv, HasSubstr("\ntest,difference,mean - best_member,nll,"));
}

}  // namespace
}  // namespace tutti::ensemble
