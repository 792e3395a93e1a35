// An ensemble from its submission to its answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two members, one worker of two slots, the split drawn: both members were granted as attempt 1.
Stage TwoMembersRunning(std::optional<int> minimum_members = std::nullopt, Settings settings = {}) {
  Stage stage(settings);
  stage.Submit({{"a"}, {"b"}}, minimum_members);
  stage.Join("n1", 2);
  stage.Inspect();
  return stage;
}

TEST(Ensemble, BecomesAnInspectJobAndOneJobAMember) {
  Stage stage;
  stage.Submit({{"a"}, {"b", 2, 4}});
  ASSERT_THAT(stage.core.records().jobs, SizeIs(3));
  EXPECT_EQ(stage.job(kInspectJob).kind, JobKind::kInspect);
  EXPECT_EQ(stage.job(kInspectJob).minimum_slots, 1);
  EXPECT_EQ(stage.job("a").position, 1);
  EXPECT_THAT(stage.job("a").after, ElementsAre(kInspectJob));
  EXPECT_EQ(stage.job("b").maximum_slots, 4);
  EXPECT_EQ(stage.core.Why(JobNamed("a")), "waits for the inspection of the data (no worker is connected)");
  EXPECT_EQ(stage.core.Why(JobNamed(kInspectJob)), "no worker is connected");
}

TEST(Ensemble, SubmittedTwiceIsOne) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Forget();
  stage.Submit({{"a"}, {"b"}});
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Ensemble, DrawsTheSplitFromTheInspectionBeforeAnyMemberStarts) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 2);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf(kInspectJob, 1)));
  stage.Forget();
  stage.Start(AttemptOf(kInspectJob, 1));
  protocol::Inspected inspected;
  inspected.data_hash = "data";
  inspected.file = "labels";
  stage.Report(AttemptOf(kInspectJob, 1), inspected);
  ASSERT_THAT(stage.Asked<DrawSplit>(), SizeIs(1));
  EXPECT_EQ(stage.Asked<DrawSplit>()[0].inspection, "labels");
  EXPECT_EQ(stage.ensemble().data_hash, "data");
  EXPECT_THAT(stage.Told<protocol::Acknowledge>("n1"), IsEmpty()) << "lost with the coordinator, it must come again";
  stage.End(AttemptOf(kInspectJob, 1), protocol::kExitFinished);
  EXPECT_EQ(stage.core.Why(JobNamed(kInspectJob)), "the split is being drawn");
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Handle(SplitDrawn{kEnsemble, ""});
  EXPECT_TRUE(stage.ensemble().split_drawn);
  EXPECT_EQ(stage.job(kInspectJob).state, JobState::kFinished);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("a", 1)));
}

TEST(Ensemble, TheSplitMayBeDrawnBeforeTheInspectionsProcessEnds) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 2);
  stage.Report(AttemptOf(kInspectJob, 1), protocol::Inspected{});
  stage.Forget();
  stage.Handle(SplitDrawn{kEnsemble, ""});
  EXPECT_THAT(stage.Told<protocol::Acknowledge>("n1"), SizeIs(1));
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.End(AttemptOf(kInspectJob, 1), 137);  // its work is done, however it ends
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("a", 1)));
}

TEST(Ensemble, FailsWhenItsDataCannotBeInspected) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}});
  stage.Join("n1", 1);
  stage.Fail(AttemptOf(kInspectJob, 1), "labels.gz is truncated", protocol::kExitBadData);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFailed);
  EXPECT_THAT(stage.ensemble().note, HasSubstr("labels.gz is truncated"));
  EXPECT_TRUE(stage.ensemble().ended_at.has_value());
  EXPECT_EQ(stage.job("b").state, JobState::kFailed);
}

TEST(Ensemble, FailsWhenTheSplitCannotBeDrawnAndCanBeResumed) {
  for (const bool process_ended_first : {false, true}) {
    Stage stage;
    stage.Submit({{"a"}});
    stage.Join("n1", 1);
    const AttemptId inspect = AttemptOf(kInspectJob, 1);
    stage.Report(inspect, protocol::Inspected{});
    if (process_ended_first) stage.End(inspect, 0);
    stage.Handle(SplitDrawn{kEnsemble, "the disk is full"});
    if (!process_ended_first) stage.End(inspect, 0);
    EXPECT_EQ(stage.ensemble().state, EnsembleState::kFailed);
    EXPECT_THAT(stage.ensemble().note, HasSubstr("the disk is full"));
    stage.Handle(EnsembleResumed{kEnsemble});
    stage.LookAtFolders();
    stage.Inspect(2);
    EXPECT_THAT(stage.StartedAttempts(), ::testing::Contains(AttemptOf("a", 1)));
  }
}

protocol::Inspected DataNamed(const std::string& hash) {
  protocol::Inspected inspected;
  inspected.data_hash = hash;
  inspected.file = "labels";
  return inspected;
}

TEST(Ensemble, InspectsItsDataAgainBeforeAnythingElseWhenWhatTheInspectionLeftIsLost) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.End(AttemptOf("b", 1), protocol::kExitStopped);
  stage.Forget();
  stage.inspection_lost = "cannot open labels.safetensors";
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_FALSE(stage.ensemble().split_drawn);
  EXPECT_THAT(stage.job(kInspectJob).reason, HasSubstr("cannot open labels.safetensors"));
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf(kInspectJob, 2)));
  stage.Inspect(2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf(kInspectJob, 2), AttemptOf("b", 2)));
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
}

TEST(Ensemble, NothingStartsUntilWhatTheInspectionLeftWasLookedAt) {
  Stage stage = TwoMembersRunning();
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.End(AttemptOf("a", 1), protocol::kExitStopped);
  stage.End(AttemptOf("b", 1), protocol::kExitStopped);
  stage.Forget();
  const std::vector<Effect> asked = stage.core.Handle(EnsembleResumed{kEnsemble}, stage.now);
  EXPECT_TRUE(std::ranges::any_of(asked, [](const Effect& e) { return std::holds_alternative<CheckInspection>(e); }));
  EXPECT_FALSE(std::ranges::any_of(asked, [](const Effect& e) { return std::holds_alternative<InspectFolders>(e); }));
}

TEST(Ensemble, WithAllMembersFinishedInspectsAgainAndThenCombines) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, "cannot open labels.safetensors"});
  ASSERT_EQ(stage.ensemble().state, EnsembleState::kFailed);
  stage.Forget();
  stage.inspection_lost = "cannot open labels.safetensors";
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_THAT(stage.Asked<Combine>(), IsEmpty());
  stage.LookAtFolders();
  stage.Inspect(2);
  EXPECT_THAT(stage.Asked<Combine>(), SizeIs(1));
}

TEST(Ensemble, DoesNotGoOnWithOtherDataThanItsMembersWereTrainedOn) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.End(AttemptOf("b", 1), protocol::kExitStopped);
  stage.inspection_lost = "cannot open labels.safetensors";
  stage.Handle(EnsembleResumed{kEnsemble});
  stage.LookAtFolders();
  stage.Forget();
  stage.Report(AttemptOf(kInspectJob, 2), DataNamed("other data"));
  EXPECT_THAT(stage.Asked<DrawSplit>(), IsEmpty());
  stage.End(AttemptOf(kInspectJob, 2), protocol::kExitFinished);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFailed);
  EXPECT_THAT(stage.ensemble().note, HasSubstr("the data is not what members were trained on"));
  EXPECT_EQ(stage.ensemble().data_hash, "data");
}

TEST(Ensemble, TakesOtherDataAsLongAsNoMemberWasTrained) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Report(AttemptOf(kInspectJob, 1), DataNamed("too little"));
  stage.Handle(SplitDrawn{kEnsemble, "none is left to train on"});
  stage.End(AttemptOf(kInspectJob, 1), protocol::kExitFinished);
  stage.Handle(EnsembleResumed{kEnsemble});
  stage.LookAtFolders();
  stage.Inspect(2);
  EXPECT_EQ(stage.ensemble().data_hash, "data");
  EXPECT_TRUE(stage.ensemble().split_drawn);
}

TEST(Ensemble, FinishedIsCombinedAgainOnlyWhereItsAnswerIsLost) {
  Stage stage = TwoMembersRunning(1);
  stage.FinishMember(AttemptOf("a", 1));
  stage.Fail(AttemptOf("b", 1), "diverged", protocol::kExitDiverged);
  stage.Handle(CombinationDone{kEnsemble, ""});
  ASSERT_EQ(stage.ensemble().state, EnsembleState::kFinished);
  stage.Forget();
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_THAT(stage.effects, IsEmpty());
  stage.Handle(EnsembleResumed{kEnsemble, Answer::kLost});
  EXPECT_THAT(stage.Asked<Combine>(), SizeIs(1));
  EXPECT_EQ(stage.job("b").state, JobState::kFailed) << "it was complete without";
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
}

TEST(Ensemble, AskedToStopWhileItIsCombinedIsAnsweredFirst) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(StopRequested{});
  EXPECT_FALSE(stage.core.stopped());
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
  EXPECT_TRUE(stage.core.stopped());
}

TEST(Ensemble, AskedToStopWhoseLostPredictionsComeToLightStopsOnRequest) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(StopRequested{});
  stage.Handle(CombinationDone{kEnsemble, "gone", {JobNamed("a")}});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  EXPECT_EQ(stage.ensemble().note, "on request");
  EXPECT_TRUE(stage.core.stopped());
}

TEST(Ensemble, CombinesWhatItsMembersPredictedOnceAllHaveEnded) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  EXPECT_THAT(stage.Asked<Combine>(), IsEmpty());
  stage.FinishMember(AttemptOf("b", 1));
  ASSERT_THAT(stage.Asked<Combine>(), SizeIs(1));
  EXPECT_THAT(stage.Asked<Combine>()[0].predictions, SizeIs(4));
  EXPECT_EQ(stage.Asked<Combine>()[0].finished_members, 2);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kRunning);
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
  EXPECT_TRUE(stage.ensemble().combined);
  EXPECT_TRUE(stage.ensemble().ended_at.has_value());
  EXPECT_EQ(stage.ensemble().note, "");
}

TEST(Ensemble, CombinesTheNewestAttemptsPredictionsOnly) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Report(AttemptOf("a", 1), CheckpointAt(10));
  stage.Report(AttemptOf("a", 1), PredictionsOf(Split::kValidation, 10));
  stage.Fail(AttemptOf("a", 1), "out of memory");
  stage.Pass(std::chrono::seconds(1));
  stage.LookAtFolders();
  stage.FinishMember(AttemptOf("a", 2));
  ASSERT_THAT(stage.Asked<Combine>(), SizeIs(1));
  const Combine asked = stage.Asked<Combine>()[0];
  for (const PredictionRecord& one : asked.predictions) EXPECT_EQ(one.attempt.number, 2);
}

TEST(Ensemble, AMembersFailureDoesNotStopTheOthers) {
  Stage stage = TwoMembersRunning(1);
  stage.Fail(AttemptOf("a", 1), "loss is not finite at step 7", protocol::kExitDiverged);
  EXPECT_EQ(stage.job("a").state, JobState::kFailed);
  EXPECT_EQ(stage.job("a").reason, "loss is not finite at step 7");
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
  EXPECT_EQ(stage.ensemble().note, "1 of 2 members");
}

TEST(Ensemble, IsIncompleteWithFewerThanTheMinimum) {
  Stage stage = TwoMembersRunning();
  stage.Fail(AttemptOf("a", 1), "loss is not finite at step 7", protocol::kExitDiverged);
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kIncomplete);
  EXPECT_THAT(stage.ensemble().note, HasSubstr("1 of 2 members"));
  EXPECT_THAT(stage.ensemble().note, HasSubstr("loss is not finite"));
}

TEST(Ensemble, FailsWhenNoMemberFinishes) {
  Stage stage = TwoMembersRunning(1);
  stage.Fail(AttemptOf("a", 1), "bad", protocol::kExitBadTask);
  stage.Fail(AttemptOf("b", 1), "bad", protocol::kExitBadTask);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFailed);
  EXPECT_THAT(stage.Asked<Combine>(), IsEmpty());
}

TEST(Ensemble, FailsWhenItCannotBeCombinedAndCombinesAgainWhenResumed) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, "the disk is full"});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFailed);
  EXPECT_THAT(stage.ensemble().note, HasSubstr("the disk is full"));
  stage.Forget();
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  ASSERT_THAT(stage.Asked<Combine>(), SizeIs(1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
}

TEST(Ensemble, MembersWhosePredictionsAreLostMakeThemAgainFromTheirLastCheckpoint) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Forget();
  stage.Handle(CombinationDone{kEnsemble, "test.safetensors is gone", {JobNamed("b")}});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kRunning);
  EXPECT_THAT(stage.core.Why(JobNamed("b")), HasSubstr("its predictions cannot be read any more"));
  stage.Pass(seconds(1));
  stage.LookAtFolders();
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("b", 2)));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("b", 1, 100));
  stage.Forget();
  stage.FinishMember(AttemptOf("b", 2));
  ASSERT_THAT(stage.Asked<Combine>(), SizeIs(1));
  const Combine asked = stage.Asked<Combine>()[0];
  for (const PredictionRecord& record : asked.predictions) {
    EXPECT_EQ(record.attempt.number, record.attempt.job.name == "b" ? 2 : 1);
  }
}

TEST(Ensemble, AMemberWhosePredictionsAreLostAgainAndAgainIsGivenUp) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  const CombinationDone lost{kEnsemble, "test.safetensors is gone", {JobNamed("b")}};
  for (const int attempt : {2, 3}) {
    stage.Handle(lost);
    stage.Pass(seconds(2));
    stage.LookAtFolders();
    stage.FinishMember(AttemptOf("b", attempt));
  }
  stage.Forget();
  stage.Handle(lost);
  EXPECT_EQ(stage.job("b").state, JobState::kFailed);
  ASSERT_THAT(stage.Asked<Combine>(), SizeIs(1)) << "what the others predicted is an answer";
  EXPECT_EQ(stage.Asked<Combine>()[0].finished_members, 1);
}

TEST(Ensemble, ServesTheEarlierOneFirstAndMembersByPosition) {
  Stage stage;
  stage.Handle(EnsembleSubmitted{EnsembleId("z-1"), ExperimentOf({{"m"}}), "h"});
  stage.Pass(std::chrono::seconds(1));
  stage.Handle(EnsembleSubmitted{EnsembleId("a-1"), ExperimentOf({{"m"}}), "h"});
  stage.Join("n1", 1);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptId{{EnsembleId("z-1"), kInspectJob}, 1}));

  Stage members;
  members.Submit({{"late"}, {"early"}});
  members.Join("n1", 1);
  members.Forget();
  members.Inspect();
  EXPECT_THAT(members.StartedAttempts(), ElementsAre(AttemptOf("late", 1)));
}

TEST(Stop, LetsEveryAttemptCheckpointAndStartsNothingNew) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}, {"c"}});
  stage.Join("n1", 2);
  stage.Inspect();
  stage.Start(AttemptOf("a", 1));
  stage.Forget();
  stage.Handle(StopRequested{});
  const auto told = stage.Told<protocol::StopAttempt>("n1");
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0].reason, protocol::StopReason::kRequested);
  EXPECT_EQ(stage.job("c").state, JobState::kStopped);
  EXPECT_EQ(stage.job("a").state, JobState::kRunning);
  EXPECT_FALSE(stage.core.stopped());
  stage.Report(AttemptOf("a", 1), CheckpointAt(5));
  stage.Report(AttemptOf("a", 1), protocol::StoppedEarly{5});
  stage.End(AttemptOf("a", 1), protocol::kExitStopped);
  stage.End(AttemptOf("b", 1), 137);  // it did not manage to: resumable all the same
  EXPECT_TRUE(stage.core.stopped());
  EXPECT_EQ(stage.job("a").state, JobState::kStopped);
  EXPECT_EQ(stage.job("b").state, JobState::kStopped);
  EXPECT_EQ(stage.job("b").failures, 0);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  EXPECT_TRUE(stage.ensemble().ended_at.has_value());
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 5)));
}

TEST(Stop, ASecondRequestChangesNothing) {
  Stage stage = TwoMembersRunning();
  stage.Handle(StopRequested{});
  stage.Forget();
  stage.Handle(StopRequested{});
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Stop, OfNothingIsOverAtOnce) {
  Stage stage;
  stage.Handle(StopRequested{});
  EXPECT_TRUE(stage.core.stopped());
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
}

TEST(Stop, AnEnsembleThatFinishesMeanwhileIsCombined) {
  Stage stage = TwoMembersRunning();
  stage.Handle(StopRequested{});
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  EXPECT_THAT(stage.Asked<Combine>(), SizeIs(1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
}

TEST(Stop, IsResumedFromTheCheckpointsThatWereMade) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.Handle(StopRequested{});
  stage.Report(AttemptOf("b", 1), CheckpointAt(5));
  stage.End(AttemptOf("b", 1), protocol::kExitStopped);
  stage.Restart();
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  stage.Join("n1", 2, {}, 2);
  EXPECT_THAT(stage.Asked<InspectFolders>(), IsEmpty()) << "nothing goes on by itself";
  stage.Forget();
  stage.Handle(EnsembleResumed{kEnsemble});
  stage.LookAtFolders();
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("b", 2)));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("b", 1, 5));
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
}

TEST(Cancel, EndsRunningAndWaitingMembersForGood) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Forget();
  stage.Handle(EnsembleCancelled{kEnsemble});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kCancelled);
  EXPECT_EQ(stage.job("b").state, JobState::kCancelled);
  EXPECT_FALSE(stage.ensemble().ended_at.has_value());
  stage.End(AttemptOf("a", 1), 137);
  EXPECT_EQ(stage.job("a").state, JobState::kCancelled);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kCancelled);
  EXPECT_TRUE(stage.ensemble().ended_at.has_value());
  EXPECT_THAT(stage.Asked<Combine>(), IsEmpty());
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
}

TEST(Cancel, OutlivesTheCoordinator) {
  Stage stage = TwoMembersRunning();
  stage.Start(AttemptOf("a", 1));
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 2, {{AttemptOf("a", 1), true, {0}}, {AttemptOf("b", 1), true, {1}}});
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(2));
  stage.End(AttemptOf("a", 1), 137);
  stage.End(AttemptOf("b", 1), 137);
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kCancelled);
}

TEST(Cancel, OfAFinishedEnsembleIsIgnored) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  stage.Forget();
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.Handle(EnsembleCancelled{EnsembleId("nobody-1")});
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Cancel, DuringTheCombinationDropsItsResult) {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), IsEmpty()) << "the combination still writes there";
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kCancelled);
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), SizeIs(1));
}

TEST(Resume, GivesFailedMembersAnotherChanceAndKeepsWhatFinished) {
  Stage stage = TwoMembersRunning();
  stage.Fail(AttemptOf("a", 1), "bad", protocol::kExitDiverged);
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  stage.Forget();
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kRunning);
  EXPECT_FALSE(stage.ensemble().ended_at.has_value());
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("a", 2)));
  stage.FinishMember(AttemptOf("a", 2));
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
}

TEST(Resume, WhileACancelledAttemptStillEndsDoesNotCountItAsFailed) {
  Stage stage = TwoMembersRunning();
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.Handle(EnsembleResumed{kEnsemble});
  stage.End(AttemptOf("a", 1), 137);
  EXPECT_EQ(stage.job("a").state, JobState::kWaiting);
  EXPECT_EQ(stage.job("a").failures, 0);
}

TEST(Resume, OfARunningOrFinishedEnsembleIsIgnored) {
  Stage stage = TwoMembersRunning();
  stage.Forget();
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_THAT(stage.effects, IsEmpty());
}

Stage BothFinished() {
  Stage stage = TwoMembersRunning();
  stage.FinishMember(AttemptOf("a", 1));
  stage.FinishMember(AttemptOf("b", 1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  stage.Forget();
  return stage;
}

TEST(Remove, OfARunningEnsembleIsIgnored) {
  Stage stage = TwoMembersRunning();
  stage.Forget();
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Remove, ErasesAnEndedEnsembleOnceItsFolderIsGone) {
  Stage stage = BothFinished();
  stage.Handle(EnsembleRemoved{kEnsemble});
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), SizeIs(1));
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kRemoving);
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kRemoving) << "its files may be half gone";
  stage.Handle(EnsembleFolderRemoved{kEnsemble, ""});
  EXPECT_EQ(stage.core.records(), Records{});
  EXPECT_EQ(stage.ledger.All(), Records{});
}

TEST(Remove, GoesOnAfterARestartWhetherTheFolderWasGoneOrNot) {
  Stage stage = BothFinished();
  stage.Handle(EnsembleRemoved{kEnsemble});
  stage.Forget();
  stage.Restart();
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), SizeIs(1));
  stage.Handle(EnsembleFolderRemoved{kEnsemble, ""});
  EXPECT_EQ(stage.ledger.All(), Records{});
}

TEST(Remove, ThatFailsSaysWhyAndMayBeAskedForAgain) {
  Stage stage = BothFinished();
  stage.Handle(EnsembleRemoved{kEnsemble});
  stage.Handle(EnsembleFolderRemoved{kEnsemble, "permission denied"});
  EXPECT_EQ(stage.ensemble().note, "its files cannot be removed: permission denied");
  stage.Forget();
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), SizeIs(1));
}

TEST(Remove, LeavesSlotsWithTheWorkerUntilItFreesThem) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Handle(EnsembleCancelled{kEnsemble});
  stage.Exit(AttemptOf("a", 1), 137);
  stage.Handle(EnsembleRemoved{kEnsemble});
  stage.Handle(EnsembleFolderRemoved{kEnsemble, ""});
  stage.Forget();
  stage.Handle(EnsembleSubmitted{EnsembleId("f-1"), ExperimentOf({{"m"}}), "h"});
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Say("n1", protocol::SlotsFree{AttemptOf("a", 1), {0}});
  EXPECT_THAT(stage.StartedAttempts(), SizeIs(1));
}

}  // namespace
}  // namespace tutti::core
