// Workers that get nothing new: an operator drains them, or they were asked to stop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// "a" runs on n1, which has one slot; "b" waits.
Stage WithOneThatWaits() { return RunningOnN1({{"a"}, {"b"}}); }

TEST(Draining, AWorkerGoesOnWithWhatItRunsAndGetsNothingNew) {
  Stage stage = WithOneThatWaits();
  stage.Drain("n1");
  EXPECT_TRUE(stage.core.workers().at(0).draining);
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), IsEmpty());
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  stage.FinishMember(kFirst);
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
}

TEST(Draining, EndsWhenItIsTakenBack) {
  Stage stage = WithOneThatWaits();
  stage.Drain("n1");
  stage.FinishMember(kFirst);
  stage.Drain("n1", false);
  EXPECT_FALSE(stage.core.workers().at(0).draining);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("b", 1)));
}

TEST(Draining, HoldsForTheNextProcessToo) {
  Stage stage = WithOneThatWaits();
  stage.Drain("n1");
  stage.Join("n1", 1, {}, 2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
}

TEST(Draining, OfAWorkerThatIsAwayAwaitsIt) {
  Stage stage;
  stage.Drain("n7");
  ASSERT_THAT(stage.core.workers(), SizeIs(1));
  EXPECT_TRUE(stage.core.workers()[0].draining);
  EXPECT_FALSE(stage.core.workers()[0].connected);
  stage.Submit({{"a"}});
  stage.Join("n7", 1);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Drain("n7", false);
  EXPECT_THAT(stage.StartedAttempts(), SizeIs(1));
  EXPECT_THAT(stage.core.records().drains, IsEmpty());
}

TEST(Draining, OutlivesTheCoordinator) {
  Stage stage = WithOneThatWaits();
  stage.Drain("n1");
  stage.Restart();
  stage.Join("n1", 1, {}, 2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  EXPECT_EQ(stage.core.workers().at(0).closed, kDrained);
}

TEST(Draining, ShowsWhatMayStillRunOnAWorkerThatHasNotComeBack) {
  Stage stage = WithOneThatWaits();
  stage.Drain("n1");
  stage.Restart();
  ASSERT_THAT(stage.core.workers(), SizeIs(1));
  EXPECT_THAT(stage.core.workers()[0].holders, ElementsAre(std::optional(kFirst)));
  stage.Pass(Settings().recovery_lease);
  EXPECT_THAT(stage.core.workers()[0].holders, ElementsAre(std::nullopt)) << "it is lost";
}

TEST(Draining, WithACheckpointIsAskedForAgainWhenTheWorkerComesBack) {
  Stage stage = WithOneThatWaits();
  stage.Disconnect("n1");
  stage.Handle(WorkerDrained{WorkerId("n1"), WorkerDrained::Drain::kCheckpoint});
  stage.Forget();
  stage.Join("n1", 1, {{kFirst, true, {0}}});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1)) << "nobody heard it";
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kPreempted);
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 1, {{kFirst, true, {0}}});
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1)) << "nor may it have been sent before the crash";
}

TEST(Draining, WithACheckpointSendsWhatRunsThereElsewhereAtOnce) {
  Stage stage = WithOneThatWaits();
  stage.Join("n2", 1);
  stage.Handle(WorkerDrained{WorkerId("n1"), WorkerDrained::Drain::kCheckpoint});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kPreempted);
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kStopping);
}

TEST(Draining, IsTheReasonOfJobsThatFitNowhereElse) {
  Stage stage = WithOneThatWaits();
  stage.Drain("n1");
  EXPECT_EQ(stage.core.Why(JobNamed("b")),
            "needs 1 slot, and there are too few without the workers that get nothing new: n1 is being drained");
  EXPECT_EQ(stage.core.WhyWaiting(kEnsemble).at(JobNamed("b")), stage.core.Why(JobNamed("b")));
  stage.Join("n2", 1);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("b", 1)));
}

TEST(Leaving, WhatRunsThereIsAskedToCheckpointAndGoesOnElsewhereAtOnce) {
  Stage stage = WithOneThatWaits();
  stage.Say("n1", protocol::Leaving{});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kPreempted);
  EXPECT_THAT(stage.core.Why(JobNamed("b")), HasSubstr("n1 is leaving"));
  stage.End(kFirst, protocol::kExitStopped);
  EXPECT_EQ(stage.job("a").state, JobState::kWaiting);
  EXPECT_EQ(stage.job("a").failures, 0);
  EXPECT_EQ(stage.job("a").not_before, std::nullopt);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Join("n2", 2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), UnorderedElementsAre(kSecond, AttemptOf("b", 1)));
  EXPECT_EQ(stage.attempt(kSecond).resumed_from_step, 10);
}

TEST(Leaving, IsNoFailureHoweverOftenItHappens) {
  Settings settings;
  settings.maximum_failures = settings.maximum_interruptions = 2;
  Stage stage(settings);
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Inspect();
  for (int number = 1; number <= 5; ++number) {
    stage.Say("n1", protocol::AttemptStarted{AttemptOf("a", number)}, number);
    stage.Say("n1", protocol::Leaving{}, number);
    stage.Say("n1", protocol::AttemptExited{AttemptOf("a", number), protocol::kExitStopped, ""}, number);
    stage.Say("n1", protocol::SlotsFree{AttemptOf("a", number), {0}}, number);
    ASSERT_EQ(stage.job("a").state, JobState::kWaiting);
    stage.Join("n1", 1, {}, number + 1);
    stage.LookAtFolders();
    ASSERT_EQ(stage.job("a").attempts, number + 1) << "the next process takes work again";
  }
}

TEST(Leaving, AStartThatCameTooLateIsNoFailure) {
  Stage stage = WithOneThatWaits();
  stage.Say("n1", protocol::Leaving{});
  stage.Say("n1", protocol::AttemptFailedToStart{kFirst, "the worker n1 is leaving"});
  EXPECT_EQ(stage.job("a").failures, 0);
}

TEST(Leaving, OfAFollowerEndsTheGangThroughItsLeader) {
  Stage stage;
  stage.Submit({{"a", 2}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  stage.Start(kFirst);
  stage.Say("n2", protocol::Leaving{});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  stage.End(kFirst, protocol::kExitStopped);
  EXPECT_EQ(stage.job("a").failures, 0);
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("needs 2 slots at once"));
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("n2 is leaving"));
}

TEST(Leaving, WhoHasLeftIsListedNoMore) {
  Stage stage;
  stage.Join("n1", 1);
  stage.Say("n1", protocol::Leaving{});
  EXPECT_EQ(stage.core.workers().at(0).closed, "is leaving");
  stage.Disconnect("n1");
  EXPECT_THAT(stage.core.workers(), IsEmpty());
  stage.Drain("n1");
  EXPECT_EQ(stage.core.workers().at(0).slots, 0) << "it stands for the drain alone";
  stage.Join("n1", 1, {}, 2);
  EXPECT_TRUE(stage.core.workers().at(0).connected);
}

TEST(Leaving, WhoseConnectionBreaksBeforeItsMembersHaveEndedIsAwaited) {
  Stage stage = RunningOnN1();
  stage.Say("n1", protocol::Leaving{});
  stage.Disconnect("n1");
  EXPECT_THAT(stage.core.workers(), SizeIs(1));
}

TEST(Leaving, IsSaidAgainToTheNextCoordinator) {
  Stage stage = WithOneThatWaits();
  stage.Say("n1", protocol::Leaving{});
  stage.Restart();
  stage.Join("n1", 1, {{kFirst, true, {0}}});
  stage.Forget();
  stage.Say("n1", protocol::Leaving{});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  stage.End(kFirst, protocol::kExitStopped);
  EXPECT_EQ(stage.job("a").state, JobState::kWaiting);
  EXPECT_EQ(stage.job("a").not_before, std::nullopt);
}

}  // namespace
}  // namespace tutti::core
