// What the core says would happen: the scheduler's own rules, run forward.
#include "coordinator/core/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const EnsembleId kPlan("plan-1");

std::optional<Duration> AMinute(const JobId&) { return minutes(1); }

Forecast Foresee(const Stage& stage, const std::vector<MemberSketch>& members, const DurationOf& takes = AMinute,
                 int priority = 0) {
  return ForecastOf(stage.core.Copy(), {kPlan, ExperimentOf(members), "hash", priority}, takes, stage.now);
}

TEST(Forecast, FillsTheFreeSlotsAndThenWhatTheyFree) {
  Stage stage;
  stage.Join("n1", 2);
  const Forecast forecast = Foresee(stage, {{"a"}, {"b"}, {"c"}});
  ASSERT_THAT(forecast.members, SizeIs(3));
  EXPECT_TRUE(forecast.members[0].at_once);
  EXPECT_TRUE(forecast.members[1].at_once);
  EXPECT_THAT(forecast.members[0].gang, ElementsAre(SlotId{WorkerId("n1"), 0}));
  EXPECT_EQ(forecast.members[0].ends, minutes(1));
  EXPECT_FALSE(forecast.members[2].at_once);
  EXPECT_EQ(forecast.members[2].begins, minutes(1));
  EXPECT_EQ(forecast.members[2].reason, "next in line for a slot");
  EXPECT_EQ(forecast.ends, minutes(2));
  EXPECT_TRUE(forecast.whole);
}

TEST(Forecast, LeavesTheCoreAsItIs) {
  Stage stage;
  stage.Submit({{"x"}});
  stage.Join("n1", 1);
  const Records before = stage.core.records();
  (void)Foresee(stage, {{"a"}});
  EXPECT_EQ(stage.core.records(), before);
}

TEST(Forecast, CountsWhatRunsAndWaitsBefore) {
  Stage stage;
  stage.Submit({{"x"}, {"y"}, {"z"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Start(AttemptOf("x", 1));
  const auto takes = [](const JobId& job) { return std::optional<Duration>(seconds(job.name == "x" ? 30 : 60)); };
  const Forecast fair = Foresee(stage, {{"a"}}, takes);
  EXPECT_EQ(fair.others, 2) << "x runs, and y has the slot while the inspection is looked at";
  EXPECT_EQ(fair.members[0].begins, seconds(90));
  const Forecast patient = Foresee(stage, {{"a"}}, takes, -1);
  EXPECT_EQ(patient.others, 3);
  EXPECT_EQ(patient.members[0].begins, seconds(150));
  EXPECT_EQ(patient.ends, seconds(210));
}

TEST(Forecast, SaysWhatNeverStartsAndWhy) {
  Stage stage;
  const Forecast nobody = Foresee(stage, {{"a"}});
  EXPECT_THAT(nobody.members[0].gang, IsEmpty());
  EXPECT_EQ(nobody.members[0].reason, "no worker is connected");
  stage.Join("n1", 2);
  const Forecast forecast = Foresee(stage, {{"narrow"}, {"wide", 3}});
  EXPECT_TRUE(forecast.members[0].at_once);
  EXPECT_THAT(forecast.members[1].gang, IsEmpty());
  EXPECT_THAT(forecast.members[1].reason, HasSubstr("needs 3 slots at once, but no group of workers has more than 2"));
  EXPECT_FALSE(forecast.ends);
}

TEST(Forecast, TellsNoTimesThatHangOnWhatIsNotKnown) {
  Stage stage;
  stage.Join("n1", 1);
  const Forecast forecast = Foresee(stage, {{"a"}, {"b"}}, [](const JobId&) { return std::optional<Duration>(); });
  EXPECT_TRUE(forecast.members[0].at_once);
  EXPECT_FALSE(forecast.members[0].ends);
  EXPECT_FALSE(forecast.members[1].begins);
  EXPECT_FALSE(forecast.ends);
}

TEST(Forecast, KeepsAwayFromDrainedWorkers) {
  Stage stage;
  stage.Join("n1", 1);
  stage.Join("n2", 1);
  stage.Drain("n1");
  const Forecast forecast = Foresee(stage, {{"a"}, {"b"}});
  EXPECT_EQ(forecast.members[0].gang[0].worker, WorkerId("n2"));
  EXPECT_EQ(forecast.members[1].gang[0].worker, WorkerId("n2"));
}

TEST(Forecast, EndsWhereItIsWhenThatIsEnough) {
  Stage stage;
  stage.Join("n1", 1);
  int asked = 0;
  const Forecast forecast = ForecastOf(stage.core.Copy(), {kPlan, ExperimentOf({{"a"}, {"b"}, {"c"}}), "hash", 0},
                                       AMinute, stage.now, [&] { return ++asked > 4; });
  EXPECT_FALSE(forecast.whole);
  EXPECT_FALSE(forecast.ends);
}

TEST(Forecast, OfAThousandMembersIsMadeToTheEnd) {
  Stage stage;
  for (int i = 0; i < 10; ++i) stage.Join(fmt::format("n{}", i), 8);
  std::vector<MemberSketch> members;
  for (int i = 0; i < 1000; ++i) members.push_back({fmt::format("m{}", i)});
  const Forecast forecast = Foresee(stage, members);
  EXPECT_TRUE(forecast.whole);
  EXPECT_EQ(forecast.ends, minutes(13));  // 80 at once
}

}  // namespace
}  // namespace tutti::core
