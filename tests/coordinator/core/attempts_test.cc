// An attempt from its grant to its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Stage OneMemberRunning(MemberSketch member = {"a"}, Settings settings = {}) {
  Stage stage(settings);
  stage.Submit({member});
  stage.Join("n1", std::max(member.minimum_slots, 1));
  stage.Inspect();
  stage.Forget();
  return stage;
}

// The backed-off replacement is granted.
void Replace(Stage& stage) {
  stage.now += seconds(60);
  stage.Say("n1", protocol::Heartbeat{});
  stage.Handle(Tick{});
  stage.LookAtFolders();
}

TEST(Attempt, IsGrantedAllSlotsOfItsGangAndTheShardsOfItsWidest) {
  Stage stage;
  stage.Submit({{"a", 2, 4}});
  stage.Join("n1", 2, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  ASSERT_THAT(stage.Asked<StartAttempt>(), SizeIs(2));
  const StartAttempt start = stage.Asked<StartAttempt>()[1];
  EXPECT_EQ(start.attempt, kFirst);
  EXPECT_EQ(start.kind, JobKind::kTrain);
  EXPECT_EQ(start.shards, 4);
  EXPECT_EQ(start.resume_from, std::nullopt);
  EXPECT_THAT(start.gang, ElementsAre(SlotId{WorkerId("n1"), 0}, SlotId{WorkerId("n1"), 1}, SlotId{WorkerId("n2"), 0}));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kGranted);
  EXPECT_EQ(stage.job("a").state, JobState::kRunning);
}

TEST(Attempt, RunsOnceItsLeaderSaysSo) {
  Stage stage = OneMemberRunning();
  stage.now += seconds(3);
  stage.Start(kFirst);
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.attempt(kFirst).started_at, stage.now);
  stage.Forget();
  stage.Start(kFirst);
  EXPECT_THAT(stage.effects, IsEmpty()) << "a repeat";
}

TEST(Attempt, AskedToStopAndKilledInsteadSaysThatItLeftNoCheckpoint) {
  for (const int exit_code : {137, protocol::kExitStopped}) {
    Stage stage = OneMemberRunning();
    stage.Start(kFirst);
    stage.Handle(StopRequested{});
    stage.End(kFirst, exit_code);
    EXPECT_EQ(stage.job("a").state, JobState::kStopped);
    EXPECT_EQ(stage.job("a").reason, exit_code == 137
                                         ? "on request; it left no checkpoint: ended by signal 9; its last "
                                           "line: last words"
                                         : "on request");
  }
}

TEST(Attempt, OnlyItsLeaderIsHeard) {
  Stage stage;
  stage.Submit({{"a", 2}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  stage.Forget();
  stage.Say("n2", protocol::AttemptExited{kFirst, 70, ""});
  stage.Say("n2", protocol::AttemptEvent{kFirst, 100, CheckpointAt(7)});
  EXPECT_THAT(stage.committed(), IsEmpty());
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kGranted);
}

TEST(Attempt, AcknowledgesACheckpointOnceItsRowIsPersisted) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(50, 0.5));
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 50)));
  EXPECT_EQ(stage.attempt(kFirst).acknowledged, 100);
  ASSERT_THAT(stage.Told<protocol::Acknowledge>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::Acknowledge>("n1")[0].sequence, 100);
  const auto is_persist = [](const Effect& effect) { return std::holds_alternative<Persist>(effect); };
  EXPECT_TRUE(std::is_partitioned(stage.effects.begin(), stage.effects.end(), is_persist));
}

TEST(Attempt, IgnoresEventsThatWereAcknowledged) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(50));
  stage.Forget();
  stage.Say("n1", protocol::AttemptEvent{kFirst, 100, CheckpointAt(60)});
  stage.Say("n1", protocol::AttemptEvent{kFirst, 20, CheckpointAt(10)});
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Attempt, KeepsEpochsAndShowsProgressThatIsNotPersisted) {
  Stage stage = OneMemberRunning();
  stage.Start(kFirst);
  stage.Forget();
  stage.Report(kFirst, protocol::Progress{30, 0.3, 1.5, 1000});
  EXPECT_THAT(stage.effects, IsEmpty());
  ASSERT_NE(stage.core.progress(JobNamed("a")), nullptr);
  EXPECT_EQ(stage.core.progress(JobNamed("a"))->step, 30);
  protocol::EpochDone epoch;
  epoch.epoch = 1;
  epoch.validation_loss = 0.25;
  stage.Report(kFirst, epoch);
  ASSERT_THAT(stage.core.records().epochs, SizeIs(1));
  EXPECT_EQ(stage.core.records().epochs[0].validation_loss, 0.25);
  stage.End(kFirst, 70);
  EXPECT_EQ(stage.core.progress(JobNamed("a")), nullptr);
}

TEST(Attempt, FinishesItsJobWithExitZeroAfterItSaidSo) {
  Stage stage = OneMemberRunning();
  stage.FinishMember(kFirst);
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
  EXPECT_EQ(stage.attempt(kFirst).exit_code, 0);
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
}

TEST(Attempt, ItsEndIsAcknowledgedWithItsExitOnly) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(50));
  stage.Report(kFirst, protocol::Finished{50, 1});
  EXPECT_EQ(stage.attempt(kFirst).acknowledged, 100);
  stage.Forget();
  stage.Exit(kFirst, 0);
  EXPECT_EQ(stage.attempt(kFirst).acknowledged, 200);
  ASSERT_THAT(stage.Told<protocol::Acknowledge>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::Acknowledge>("n1")[0].sequence, 200);
}

TEST(Attempt, ExitZeroWithoutAWordOrWithoutACheckpointIsAFailure) {
  Stage silent = OneMemberRunning();
  silent.Report(kFirst, CheckpointAt(50));
  silent.End(kFirst, 0);
  EXPECT_EQ(silent.job("a").state, JobState::kWaiting);
  EXPECT_THAT(silent.job("a").reason, HasSubstr("ended without saying so"));

  Stage bare = OneMemberRunning();
  bare.Report(kFirst, protocol::Finished{50, 1});
  bare.End(kFirst, 0);
  EXPECT_EQ(bare.job("a").state, JobState::kWaiting);
  EXPECT_THAT(bare.job("a").reason, HasSubstr("without a committed checkpoint"));
}

TEST(Attempt, ExitsThatWouldRepeatAreNotRetried) {
  for (const int code : {protocol::kExitBadTask, protocol::kExitBadData, protocol::kExitDiverged}) {
    Stage stage = OneMemberRunning();
    stage.Fail(kFirst, "the reason", code);
    EXPECT_EQ(stage.job("a").state, JobState::kFailed) << code;
    EXPECT_EQ(stage.job("a").reason, "the reason");
    EXPECT_EQ(stage.attempt(kFirst).error, "the reason");
    EXPECT_EQ(stage.ensemble().state, EnsembleState::kFailed);
  }
}

TEST(Attempt, SaysHowItDiedWhenItCouldNot) {
  Stage stage = OneMemberRunning();
  stage.End(kFirst, 128 + 9);
  EXPECT_EQ(stage.attempt(kFirst).error, "ended by signal 9; its last line: last words");
}

TEST(Retry, WaitsTwiceAsLongEachTimeAndGivesUpWithTheLastError) {
  Stage stage = OneMemberRunning();
  stage.Fail(kFirst, "first");
  EXPECT_EQ(stage.job("a").failures, 1);
  EXPECT_EQ(stage.job("a").not_before, stage.now + seconds(1));
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("attempt 1 failed: first; tries again at "));
  EXPECT_EQ(stage.core.NextDeadline(), stage.now + seconds(1));
  stage.Pass(milliseconds(999));
  EXPECT_THAT(stage.Asked<InspectFolders>(), IsEmpty());
  stage.Pass(milliseconds(1));
  EXPECT_THAT(stage.Asked<InspectFolders>(), SizeIs(1));
  stage.LookAtFolders();
  stage.Fail(kSecond, "second");
  EXPECT_EQ(stage.job("a").not_before, stage.now + seconds(2));
  Replace(stage);
  stage.Fail(AttemptOf("a", 3), "third");
  EXPECT_EQ(stage.job("a").state, JobState::kFailed);
  EXPECT_THAT(stage.job("a").reason, HasSubstr("given up after 3 failures"));
  EXPECT_THAT(stage.job("a").reason, HasSubstr("third"));
}

TEST(Retry, BackoffHasAnEnd) {
  Settings settings;
  settings.maximum_failures = 100;
  settings.longest_backoff = seconds(5);
  Stage stage = OneMemberRunning({"a"}, settings);
  for (int number = 1; number < 20; ++number) {
    stage.Fail(AttemptOf("a", number), "again");
    EXPECT_LE(*stage.job("a").not_before, stage.now + seconds(5));
    Replace(stage);
  }
  EXPECT_EQ(stage.job("a").attempts, 20);
}

TEST(Retry, ANewCheckpointClearsTheFailures) {
  Stage stage = OneMemberRunning();
  for (int number = 1; number <= 10; ++number) {
    stage.Report(AttemptOf("a", number), CheckpointAt(number * 10));
    stage.Fail(AttemptOf("a", number), "again");
    ASSERT_EQ(stage.job("a").failures, 1);
    Replace(stage);
  }
}

TEST(Retry, TheSameCheckpointAgainIsNoProgress) {
  Stage stage = OneMemberRunning();
  for (int number = 1; number <= 2; ++number) {
    stage.Report(AttemptOf("a", number), CheckpointAt(10));
    stage.Fail(AttemptOf("a", number), "again");
    Replace(stage);
  }
  stage.Fail(AttemptOf("a", 3), "again");
  EXPECT_EQ(stage.job("a").state, JobState::kFailed);
}

TEST(Retry, GoesOnFromTheNewestCheckpointOverAllAttempts) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(10));
  stage.Report(kFirst, CheckpointAt(20));
  stage.Fail(kFirst, "x");
  Replace(stage);
  stage.Fail(kSecond, "died before its first checkpoint");
  stage.Forget();
  Replace(stage);
  ASSERT_THAT(stage.Asked<StartAttempt>(), SizeIs(1));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].attempt, AttemptOf("a", 3));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 20));
  EXPECT_EQ(stage.attempt(AttemptOf("a", 3)).resumed_from_step, 20);
}

TEST(Retry, LooksAtTheFoldersFirstAndAdoptsWhatHasNoRow) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(10));
  stage.Fail(kFirst, "x");
  stage.Forget();
  stage.Pass(seconds(1));
  ASSERT_THAT(stage.Asked<InspectFolders>(), SizeIs(1));
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  CheckpointRecord found;
  found.attempt = kFirst;
  found.step = 30;
  found.folder = "members/a/attempt-1/step-00000030";
  CheckpointRecord stray = found;
  stray.attempt = AttemptOf("b", 1);
  stage.Handle(FoldersInspected{JobNamed("a"), {found, stray}, 4});
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("a", 5))) << "above every folder";
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 30));
  EXPECT_EQ(stage.job("a").failures, 0) << "it had got further than was known";
  EXPECT_EQ(stage.job("a").attempts, 5);
}

TEST(Retry, AdoptsFoldersOfAttemptsThatHaveNoRowEither) {
  Stage stage = OneMemberRunning();
  stage.Fail(kFirst, "x");
  stage.Pass(seconds(1));
  CheckpointRecord found;
  found.attempt = AttemptOf("a", 3);
  found.step = 30;
  stage.Handle(FoldersInspected{JobNamed("a"), {found}, 3});
  EXPECT_EQ(stage.attempt(AttemptOf("a", 3)).state, AttemptState::kEnded);
  EXPECT_EQ(stage.job("a").attempts, 4);
}

TEST(Retry, GoesOnFromTheNewestCheckpointThatCanBeReadAndSaysSo) {
  Stage stage = OneMemberRunning({.name = "a", .keep = 2});
  stage.Report(kFirst, CheckpointAt(10));
  stage.Report(kFirst, CheckpointAt(20));
  stage.Fail(kFirst, "model.safetensors is damaged");
  stage.Forget();
  stage.Pass(seconds(1));
  const CheckpointKey damaged = CheckpointOf("a", 1, 20);
  const CheckpointKey of_another_job = CheckpointOf("b", 1, 20);
  stage.Handle(FoldersInspected{JobNamed("a"), {}, 1, {{damaged, "it is damaged"}, {of_another_job, ""}}});
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 10));
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 10)));
  EXPECT_THAT(stage.Asked<RemoveCheckpoint>(), IsEmpty()) << "its folder is left alone";
  EXPECT_EQ(stage.job("a").reason, "step 20 cannot be read any more, goes on from step 10");
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("goes on from step 10"));
  std::vector<std::string> said;
  for (const Notify& notify : stage.Asked<Notify>()) said.push_back(notify.what);
  EXPECT_THAT(said, Contains(HasSubstr("left alone: it is damaged")));
  stage.FinishMember(kSecond);
  EXPECT_EQ(stage.job("a").reason, "");
}

TEST(Retry, BeginsAnewWhereNoCheckpointCanBeRead) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(10));
  stage.End(kFirst, protocol::kExitStopped);
  stage.Forget();
  stage.Handle(FoldersInspected{JobNamed("a"), {}, 1, {{CheckpointOf("a", 1, 10), "it is gone"}}});
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, std::nullopt);
  EXPECT_EQ(stage.job("a").reason, "step 10 cannot be read any more, begins anew");
}

// What a disk that does not answer holds may be the newest checkpoint.
TEST(Retry, WaitsWhileItsFoldersCannotBeReadAndLooksAgain) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(10));
  stage.End(kFirst, protocol::kExitStopped);
  FoldersInspected failed;
  failed.job = JobNamed("a");
  failed.error = "input/output error";
  for (const int wait : {1, 2, 4}) {
    ASSERT_THAT(stage.Asked<InspectFolders>(), SizeIs(1));
    stage.Forget();
    stage.Handle(failed);
    EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
    EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("folders cannot be read: input/output error"));
    stage.Pass(seconds(wait) - std::chrono::milliseconds(1));
    EXPECT_THAT(stage.Asked<InspectFolders>(), IsEmpty());
    stage.Pass(std::chrono::milliseconds(1));
  }
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.job("a").failures, 0);
}

// A coordinator is killed with the worker beside it, while member a has a checkpoint at step 10, its first epoch's end.
// Its next one looks at the folders.
Stage KilledWithItsWorker() {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, EpochAt(1, 10));
  stage.Report(kFirst, CheckpointAt(10));
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 1, {}, 2);
  return stage;
}

CheckpointRecord CheckpointFoundAt(int64_t step) {
  CheckpointRecord found;
  found.attempt = kFirst;
  found.step = step;
  return found;
}

// From the end of what was acknowledged on.
std::vector<protocol::AttemptEvent> Unheard(std::vector<protocol::TrainerEvent> events) {
  std::vector<protocol::AttemptEvent> unheard;
  int64_t sequence = 200;
  for (protocol::TrainerEvent& event : events) unheard.push_back({kFirst, sequence += 100, std::move(event)});
  return unheard;
}

TEST(Unheard, EpochsAndPredictionsAreTakenInWithTheCheckpoint) {
  Stage stage = KilledWithItsWorker();
  FoldersInspected found{JobNamed("a"), {CheckpointFoundAt(20)}, 1};
  found.unheard = Unheard({protocol::Progress{15}, EpochAt(2, 20), CheckpointAt(20),
                           PredictionsOf(Split::kValidation, 20), protocol::Progress{25}});
  stage.Handle(found);
  ASSERT_THAT(stage.core.records().epochs, SizeIs(2));
  EXPECT_EQ(stage.core.records().epochs[1].step, 20);
  ASSERT_THAT(stage.core.records().predictions, SizeIs(1));
  EXPECT_EQ(stage.core.records().predictions[0].step, 20);
  EXPECT_EQ(stage.attempt(kFirst).acknowledged, 600) << "it is not read again";
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 10), CheckpointOf("a", 1, 20)));
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.core.progress(JobNamed("a")), nullptr) << "the new attempt has made none";
}

TEST(Unheard, AMemberThatHasFinishedIsNotTrainedAgain) {
  Stage stage = KilledWithItsWorker();
  FoldersInspected found{JobNamed("a"), {CheckpointFoundAt(20)}, 1};
  found.unheard = Unheard({EpochAt(2, 20), PredictionsOf(Split::kValidation, 20), PredictionsOf(Split::kTest, 20),
                           protocol::Finished{20, 1}});
  stage.Handle(found);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
  EXPECT_EQ(stage.job("a").reason, "");
  EXPECT_EQ(stage.attempt(kFirst).exit_code, protocol::kExitFinished);
  EXPECT_EQ(stage.attempt(kFirst).error, "");
  EXPECT_EQ(stage.attempt(kFirst).acknowledged, 600);
  ASSERT_THAT(stage.Asked<Combine>(), SizeIs(1));
  EXPECT_THAT(stage.Asked<Combine>()[0].predictions, SizeIs(2));
}

TEST(Unheard, AMemberWhoseLastCheckpointIsNotThereGoesOn) {
  Stage stage = KilledWithItsWorker();
  FoldersInspected found{JobNamed("a"), {}, 1};
  found.unheard = Unheard({EpochAt(2, 20), protocol::Finished{20, 1}});
  stage.Handle(found);
  EXPECT_EQ(stage.job("a").state, JobState::kRunning);
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 10));
}

TEST(Unheard, AMemberWhoseExitWasHeardIsJudgedByThat) {
  Stage stage = OneMemberRunning();
  stage.Report(kFirst, CheckpointAt(10));
  stage.Report(kFirst, protocol::Finished{10, 1});
  stage.End(kFirst, protocol::kExitIo);
  stage.Forget();
  stage.Pass(seconds(1));
  FoldersInspected found{JobNamed("a"), {}, 1};
  found.unheard = Unheard({protocol::Finished{10, 1}});  // read before the exit came
  stage.Handle(found);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
}

TEST(Unheard, WhatWasHeardMeanwhileIsNotTakenInAgain) {
  Stage stage = KilledWithItsWorker();
  FoldersInspected found{JobNamed("a"), {}, 1};
  found.unheard = {{kFirst, 100, EpochAt(1, 999)}, {AttemptOf("b", 1), 900, EpochAt(1, 10)}};
  stage.Handle(found);
  ASSERT_THAT(stage.core.records().epochs, SizeIs(1));
  EXPECT_EQ(stage.core.records().epochs[0].step, 10);
  EXPECT_EQ(stage.attempt(kFirst).acknowledged, 200);
}

TEST(Unheard, AnAttemptWithoutRowIsTakenIn) {
  Stage stage = KilledWithItsWorker();
  FoldersInspected found{JobNamed("a"), {}, 3};
  found.unheard = {{AttemptOf("a", 3), 50, protocol::Started{}}, {AttemptOf("a", 3), 100, EpochAt(2, 20)}};
  stage.Handle(found);
  EXPECT_THAT(stage.core.records().epochs, SizeIs(2));
  EXPECT_EQ(stage.attempt(AttemptOf("a", 3)).state, AttemptState::kEnded);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("a", 4)));
}

TEST(Retry, AnswersNobodyAskedForAreIgnored) {
  Stage stage = OneMemberRunning();
  stage.Forget();
  stage.Handle(FoldersInspected{JobNamed("a"), {}, 9});
  stage.Handle(FoldersInspected{JobNamed("nobody"), {}, 9});
  stage.Handle(SplitDrawn{kEnsemble, "late"});
  stage.Handle(CombinationDone{kEnsemble, ""});
  stage.Handle(CheckpointRemoved{CheckpointOf("a", 1, 1), ""});
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Retry, KeepsItsPlaceWhileItsFoldersAreLookedAt) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Say("n1", protocol::AttemptEvent{kFirst, 1, CheckpointAt(1)});
  stage.End(kFirst, protocol::kExitStopped);  // waits again at once, before b
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("folders were looked at"));
  EXPECT_THAT(stage.core.Why(JobNamed("b")), HasSubstr("none is free"));
  stage.Forget();
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
}

TEST(Interruption, FromOutsideIsNoFailureButNotEndless) {
  Settings settings;
  settings.maximum_interruptions = 4;
  Stage stage = OneMemberRunning({"a"}, settings);
  for (int number = 1; number <= 3; ++number) {
    stage.End(AttemptOf("a", number), protocol::kExitStopped);
    ASSERT_EQ(stage.job("a").state, JobState::kWaiting);
    ASSERT_EQ(stage.job("a").failures, 0);
    Replace(stage);
  }
  stage.End(AttemptOf("a", 4), protocol::kExitStopped);
  EXPECT_EQ(stage.job("a").state, JobState::kFailed);
  EXPECT_THAT(stage.job("a").reason, HasSubstr("given up after 4 interruptions"));
}

TEST(Interruption, IsForgottenWithEachNewCheckpoint) {
  Settings settings;
  settings.maximum_interruptions = 2;
  Stage stage = OneMemberRunning({"a"}, settings);
  for (int number = 1; number <= 5; ++number) {
    stage.Report(AttemptOf("a", number), CheckpointAt(number));
    stage.End(AttemptOf("a", number), protocol::kExitStopped);
    ASSERT_EQ(stage.job("a").state, JobState::kWaiting);
    Replace(stage);
  }
}

TEST(FailedStart, IsRetriedLikeAFailure) {
  Stage stage = OneMemberRunning();
  stage.Say("n1", protocol::AttemptFailedToStart{kFirst, "no such program"});
  stage.Free(kFirst);
  EXPECT_EQ(stage.job("a").failures, 1);
  EXPECT_THAT(stage.job("a").reason, HasSubstr("could not be started on n1: no such program"));
  stage.Forget();
  Replace(stage);
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
}

TEST(Slots, AreFreeOnlyWhenTheirOwnWorkerSaysSo) {
  Stage stage;
  stage.Submit({{"a", 2}, {"b"}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  stage.Start(kFirst);
  stage.Forget();
  stage.Exit(kFirst, protocol::kExitDiverged);
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n2"), SizeIs(1)) << "its rank may not know";
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Say("n1", protocol::SlotsFree{AttemptOf("b", 1), {0}});
  stage.Say("n1", protocol::SlotsFree{kFirst, {-1, 7}});
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty()) << "not its slots to free";
  stage.Say("n2", protocol::SlotsFree{kFirst, {0}});
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("b", 1)));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].gang[0].worker, WorkerId("n2"));
}

TEST(Slots, FreedWithoutAnExitMeanThatTheAttemptIsLost) {
  Stage stage = OneMemberRunning();
  stage.Free(kFirst);
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  EXPECT_EQ(stage.job("a").state, JobState::kWaiting);
}

TEST(Retention, MarksThenDeletesThenForgets) {
  Stage stage = OneMemberRunning({"a", 1, 1, 1});
  stage.Report(kFirst, CheckpointAt(10, 0.5));
  stage.Report(kFirst, CheckpointAt(20, 0.3));  // better and newer: 10 goes
  ASSERT_THAT(stage.Asked<RemoveCheckpoint>(), SizeIs(1));
  EXPECT_EQ(stage.Asked<RemoveCheckpoint>()[0].key, CheckpointOf("a", 1, 10));
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 20)));
  EXPECT_THAT(stage.core.records().checkpoints, SizeIs(2)) << "marked";
  stage.Report(kFirst, CheckpointAt(30, 0.4));  // 20 is the best
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 20), CheckpointOf("a", 1, 30)));
  stage.Handle(CheckpointRemoved{CheckpointOf("a", 1, 10), ""});
  EXPECT_THAT(stage.core.records().checkpoints, SizeIs(2)) << "gone";
}

TEST(Retention, AFailedDeletionStaysMarkedAndIsTriedAgainAtTheNextStart) {
  Stage stage = OneMemberRunning({"a", 1, 1, 1});
  stage.Report(kFirst, CheckpointAt(10));
  stage.Report(kFirst, CheckpointAt(20));
  stage.Handle(CheckpointRemoved{CheckpointOf("a", 1, 10), "permission denied"});
  EXPECT_THAT(stage.core.records().checkpoints, SizeIs(2));
  stage.Forget();
  stage.Restart();
  ASSERT_THAT(stage.Asked<RemoveCheckpoint>(), SizeIs(1));
  EXPECT_EQ(stage.Asked<RemoveCheckpoint>()[0].key, CheckpointOf("a", 1, 10));
}

TEST(Retention, SparesWhatARunningAttemptGoesOnFrom) {
  Stage stage = OneMemberRunning({"a", 1, 1, 1});
  stage.Report(kFirst, CheckpointAt(10, 0.9));
  stage.Report(kFirst, CheckpointAt(20, 0.1));
  stage.Report(kFirst, CheckpointAt(30, 0.5));
  stage.Fail(kFirst, "x");
  Replace(stage);
  stage.Report(kSecond, CheckpointAt(40, 0.5));
  EXPECT_THAT(stage.committed(),
              ElementsAre(CheckpointOf("a", 1, 20), CheckpointOf("a", 1, 30), CheckpointOf("a", 2, 40)));
  stage.Restart();
  stage.Join("n1", 1, {{kSecond, true, {0}}});
  stage.Report(kSecond, CheckpointAt(50, 0.5));
  EXPECT_THAT(stage.committed(),
              ElementsAre(CheckpointOf("a", 1, 20), CheckpointOf("a", 1, 30), CheckpointOf("a", 2, 50)))
      << "after a restart as well";
  stage.Report(kSecond, protocol::Finished{50, 1});
  stage.End(kSecond, 0);
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 20), CheckpointOf("a", 2, 50)));
}

TEST(Retention, SparesWhatPredictorsWereMadeFrom) {
  Stage stage = OneMemberRunning({"a", 1, 1, 1});
  stage.Report(kFirst, CheckpointAt(10));
  stage.Report(kFirst, PredictionsOf(Split::kTest, 10));
  stage.Report(kFirst, CheckpointAt(20));
  stage.Report(kFirst, CheckpointAt(30));
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 10), CheckpointOf("a", 1, 30)));
}

}  // namespace
}  // namespace tutti::core
