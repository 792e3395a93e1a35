// Workers come, fall silent, go and come back; coordinators, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A gang of two over n1, which leads, and n2.
Stage GangOnN1AndN2() {
  Stage stage;
  stage.Submit({{"a", 2}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  stage.Start(kFirst);
  stage.Forget();
  return stage;
}

protocol::RunningAttempt Leads(const AttemptId& attempt, std::vector<int> slots = {0}) {
  return {attempt, true, std::move(slots)};
}

TEST(Worker, IsWelcomed) {
  Stage stage;
  stage.Join("n1", 2);
  EXPECT_THAT(stage.Told<protocol::Welcome>("n1"), SizeIs(1));
  ASSERT_THAT(stage.core.workers(), SizeIs(1));
  EXPECT_EQ(stage.core.workers()[0].slots, 2);
  EXPECT_TRUE(stage.core.workers()[0].connected);
}

TEST(Worker, IsRefusedWhenItsVersionOrGenerationOrIncarnationDoesNotFit) {
  Stage stage;
  stage.Join("n1", 2, {}, 5);
  protocol::Hello hello;
  hello.worker = WorkerId("n1");
  hello.incarnation = Incarnation{4};
  const auto refused = [&](const protocol::Hello& one) {
    stage.Forget();
    stage.Handle(WorkerJoined{one});
    EXPECT_THAT(stage.effects, SizeIs(1));
    const auto tells = stage.Asked<Tell>();
    EXPECT_EQ(tells.at(0).incarnation, one.incarnation);
    return std::get<protocol::Refused>(tells.at(0).message).reason;
  };
  EXPECT_THAT(refused(hello), HasSubstr("newer process"));
  hello.incarnation = Incarnation{6};
  hello.version = protocol::kChannelVersion + 1;
  EXPECT_THAT(refused(hello), HasSubstr("version"));
  hello.version = protocol::kChannelVersion;
  hello.obeyed = Generation{9};
  EXPECT_THAT(refused(hello), HasSubstr("generation 9"));
  hello.obeyed = Generation{0};
  hello.slots = 0;
  EXPECT_THAT(refused(hello), HasSubstr("no slots"));
  hello.slots = 8193;
  EXPECT_THAT(refused(hello), HasSubstr("at most 8192"));
  EXPECT_EQ(stage.core.workers().at(0).incarnation, Incarnation{5});
}

TEST(Worker, AnOlderProcessOfItIsNotHeard) {
  Stage stage = RunningOnN1();
  stage.Say("n1", protocol::AttemptExited{kFirst, 70, ""}, 0);
  stage.Say("nobody", protocol::AttemptExited{kFirst, 70, ""});
  stage.Disconnect("n1", 0);
  EXPECT_THAT(stage.effects, IsEmpty());
}

TEST(Worker, ItsNewIncarnationEndsWhatTheOlderLedAtOnce) {
  Stage stage = RunningOnN1();
  stage.Join("n1", 1, {}, 2);
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  stage.LookAtFolders();
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 10));
  EXPECT_EQ(stage.attempt(kSecond).leader_incarnation, Incarnation{2});
  EXPECT_EQ(stage.job("a").failures, 0);
}

TEST(Worker, WhoseConnectionBreaksFreesOthersFromWaitingForItsSlots) {
  Stage stage;
  stage.Submit({{"wide", 2}, {"narrow"}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  stage.Exit(AttemptOf("wide", 1), protocol::kExitStopped);
  stage.Say("n2", protocol::SlotsFree{AttemptOf("wide", 1), {0}});
  EXPECT_THAT(stage.core.Why(JobNamed("narrow")), HasSubstr("what comes free first is for e-1/wide; 2nd in line"));
  stage.Disconnect("n1");  // nothing is left that could hold the wide one
  EXPECT_EQ(stage.job("narrow").state, JobState::kRunning);
}

TEST(Worker, WhatWaitsForItsSlotsIsToldItsPlaceInShort) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}, {"wide", 2}, {"huge", 9}, {"c"}});
  EXPECT_EQ(stage.core.WhyWaiting(kEnsemble).at(JobNamed("c")),
            "waits for the inspection of the data (no worker is connected)");
  stage.Join("n1", 2);
  EXPECT_EQ(stage.core.WhyWaiting(kEnsemble).at(JobNamed("c")), "waits for the inspection of the data") << "it runs";
  stage.Inspect();
  const std::map<JobId, std::string> reasons = stage.core.WhyWaiting(kEnsemble);
  EXPECT_THAT(reasons, SizeIs(3)) << "a and b run";
  EXPECT_EQ(reasons.at(JobNamed("wide")), "next in line for 2 slots at once");
  EXPECT_EQ(reasons.at(JobNamed("huge")), "needs 9 slots at once, but no group of workers has more than 2");
  EXPECT_EQ(reasons.at(JobNamed("c")), "2nd in line for a slot");
}

TEST(Worker, HasAMomentToComeBack) {
  Stage stage = RunningOnN1();
  stage.Disconnect("n1");
  EXPECT_EQ(stage.core.NextDeadline(), stage.now + seconds(10));
  stage.Pass(milliseconds(9999));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  stage.Forget();
  stage.Join("n1", 1, {Leads(kFirst)});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  ASSERT_THAT(stage.Told<protocol::Acknowledge>("n1"), SizeIs(1)) << "from where to tell again";
  EXPECT_EQ(stage.Told<protocol::Acknowledge>("n1")[0].sequence, 100);
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), IsEmpty());
}

TEST(Worker, IsGoneAfterThatAndAnotherTakesOver) {
  Stage stage = RunningOnN1();
  stage.Join("n2", 1);
  stage.Disconnect("n1");
  stage.Pass(seconds(10));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  EXPECT_THAT(stage.attempt(kFirst).error, HasSubstr("n1 did not come back within 10 s"));
  stage.Forget();
  stage.LookAtFolders();
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].gang[0].worker, WorkerId("n2"));
  EXPECT_THAT(stage.core.workers(), SizeIs(1));
}

TEST(Worker, GetsNothingNewWhileItsConnectionIsBroken) {
  Stage stage;
  stage.Join("n1", 1);
  stage.Disconnect("n1");
  stage.Submit({{"a"}});
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Join("n1", 1);
  EXPECT_THAT(stage.StartedAttempts(), SizeIs(1));
}

TEST(Worker, ThatComesBackBeforeTheReplacementKeepsItsAttempt) {
  Stage stage = RunningOnN1();
  stage.Disconnect("n1");
  stage.Pass(seconds(10));
  ASSERT_EQ(stage.job("a").state, JobState::kWaiting);
  stage.Join("n1", 1, {Leads(kFirst)});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.job("a").state, JobState::kRunning);
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), IsEmpty());
  stage.FinishMember(kFirst);
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
}

TEST(Worker, ThatComesBackAfterTheReplacementIsStale) {
  Stage stage = RunningOnN1();
  stage.Join("n2", 1);
  stage.Disconnect("n1");
  stage.Pass(seconds(10));
  stage.LookAtFolders();
  stage.Forget();
  stage.Join("n1", 1, {Leads(kFirst)});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kStale);
  EXPECT_EQ(stage.core.workers().at(0).holders.at(0), kFirst) << "its slot is busy until it says otherwise";
  stage.Say("n1", protocol::AttemptEvent{kFirst, 500, CheckpointAt(90)});
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 10)));
  stage.Say("n1", protocol::SlotsFree{kFirst, {0}});
  EXPECT_EQ(stage.core.workers().at(0).holders.at(0), std::nullopt);
}

TEST(Worker, ThatListsNothingOfAnAttemptHasLostIt) {
  Stage stage = RunningOnN1();
  stage.Disconnect("n1");
  stage.Join("n1", 1);
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
}

TEST(Worker, MayListAnAttemptWhoseEndItStillHasToTell) {
  Stage stage = RunningOnN1();
  stage.Disconnect("n1");
  stage.Join("n1", 1, {Leads(kFirst, {})});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Report(kFirst, protocol::Finished{10, 1});
  stage.End(kFirst, 0);
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
}

TEST(Worker, ALostAttemptIsNotTakenUpWhereAnotherRuns) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Free(kFirst);  // lost: no exit was told
  stage.LookAtFolders();
  ASSERT_EQ(stage.attempt(kSecond).state, AttemptState::kGranted);
  stage.Disconnect("n1");
  stage.Pass(seconds(10));
  stage.Join("n1", 1, {Leads(kFirst, {}), Leads(AttemptOf("ghost", 1), {0})});
  EXPECT_EQ(stage.job("a").state, JobState::kWaiting);
  EXPECT_EQ(stage.core.workers().at(0).holders.at(0), AttemptOf("ghost", 1));
}

TEST(Worker, IsAnsweredTheExitOfAStaleAttemptSoThatItCanForgetIt) {
  Stage stage = GangOnN1AndN2();
  stage.Join("n2", 1, {}, 2, "d");
  stage.Forget();
  stage.Exit(kFirst, protocol::kExitInternal);
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kStale);
  EXPECT_THAT(stage.Told<protocol::Acknowledge>("n1"), IsEmpty());
}

TEST(Worker, WhatItListsThatNobodyKnowsIsStopped) {
  Stage stage;
  stage.Join("n1", 2, {Leads(AttemptOf("ghost", 1), {1})});
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  stage.Submit({{"a"}});
  ASSERT_THAT(stage.Asked<StartAttempt>(), SizeIs(1));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].gang[0].index, 0);
}

TEST(Worker, ThatSaysNothingIsGone) {
  Stage stage = RunningOnN1();
  stage.now += seconds(20);
  stage.Say("n1", protocol::Heartbeat{});
  stage.Pass(seconds(29));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.core.NextDeadline(), stage.now + seconds(1));
  stage.Pass(seconds(1));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  EXPECT_THAT(stage.attempt(kFirst).error, HasSubstr("said nothing for 30 s"));
}

TEST(Worker, ThatWasSilentGoesOnWhenItSpeaksAgainInTime) {
  Stage stage = RunningOnN1();
  stage.Pass(seconds(30));
  ASSERT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  stage.Say("n1", protocol::Heartbeat{});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_THAT(stage.core.workers(), SizeIs(1));
  stage.FinishMember(kFirst);
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
}

TEST(Worker, ThatWasSilentDoesNotRepeatWhatItSaid) {
  Stage stage = RunningOnN1();
  stage.Report(kFirst, protocol::Progress{11, 0, 0, 0});
  stage.Pass(seconds(30));
  ASSERT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  stage.Forget();
  stage.Exit(kFirst, protocol::kExitInternal);
  ASSERT_FALSE(stage.Told<protocol::Acknowledge>("n1").empty());
  EXPECT_EQ(stage.Told<protocol::Acknowledge>("n1").back().sequence, 200) << "all that it said before its exit";
}

TEST(Worker, ThatWasSilentTooLongIsFencedButUsedAgain) {
  Stage stage = RunningOnN1();
  stage.Join("n2", 1);
  stage.now += seconds(30);
  stage.Say("n2", protocol::Heartbeat{});
  stage.Pass(seconds(1));
  stage.LookAtFolders();
  ASSERT_EQ(stage.attempt(kSecond).gang[0].worker, WorkerId("n2"));
  stage.Forget();
  stage.Say("n1", protocol::AttemptEvent{kFirst, 500, CheckpointAt(90)});
  EXPECT_THAT(stage.committed(), ElementsAre(CheckpointOf("a", 1, 10)));
  EXPECT_FALSE(stage.Told<protocol::StopAttempt>("n1").empty());
  EXPECT_THAT(stage.core.workers(), SizeIs(2));
}

TEST(Gang, IsLostWithItsLeaderAndItsFollowersAreTold) {
  Stage stage = GangOnN1AndN2();
  stage.Disconnect("n1");
  stage.Pass(seconds(10));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n2"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n2")[0].reason, protocol::StopReason::kStale);
  stage.Forget();
  stage.Join("n1", 1, {Leads(kFirst)}, 1, "d");
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded) << "its followers are gone: it is not whole any more";
  EXPECT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
}

TEST(Gang, LivesByItsLeadersLease) {
  Stage stage = GangOnN1AndN2();
  stage.Disconnect("n2");
  stage.Pass(seconds(10));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  stage.Join("n2", 1, {{kFirst, false, {0}}}, 1, "d");
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.core.workers().at(1).holders.at(0), kFirst);
}

TEST(Gang, IsLostWhenAFollowerJoinsWithoutIt) {
  Stage stage = GangOnN1AndN2();
  stage.Join("n2", 1, {}, 2, "d");
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1)) << "its leader need not wait for it";
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kStale);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty()) << "n1 still holds its slot";
  stage.Say("n1", protocol::SlotsFree{kFirst, {0}});
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
}

TEST(Gang, ThatEndsWithItsFollowerIsNoFailure) {
  Stage stage = GangOnN1AndN2();
  stage.Disconnect("n2");
  stage.End(kFirst, 137);
  EXPECT_EQ(stage.job("a").failures, 0);
  EXPECT_THAT(stage.job("a").reason, HasSubstr("worker n2 of its gang was lost"));
  EXPECT_EQ(stage.attempt(kFirst).error, "worker n2 of its gang was lost");
}

TEST(Gang, ThatCannotStartWithoutItsFollowerIsNoFailure) {
  Stage stage = GangOnN1AndN2();
  stage.Disconnect("n2");
  stage.Say("n1", protocol::AttemptFailedToStart{kFirst, "the worker n2 of its gang is away"});
  EXPECT_EQ(stage.job("a").failures, 0);
  EXPECT_THAT(stage.job("a").reason, HasSubstr("the worker n2 of its gang is away"));
}

TEST(Gang, ThatEndsWhileItsFollowerIsThereIsAFailure) {
  Stage stage = GangOnN1AndN2();
  stage.End(kFirst, 137);
  EXPECT_EQ(stage.job("a").failures, 1);
}

// Its leader would wait for the ranks there for ever.
TEST(Gang, IsEndedByAFollowerWhoseRanksDoNotCome) {
  Stage stage = GangOnN1AndN2();
  stage.Say("n2", protocol::AttemptFailedToStart{kFirst, "0 of its 1 ranks there came up"});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  EXPECT_EQ(stage.job("a").failures, 1);
  EXPECT_THAT(stage.job("a").reason, HasSubstr("could not be started on n2: 0 of its 1 ranks there came up"));
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kStale);
}

TEST(Gang, IsNotEndedByAWorkerThatHasNoPartInIt) {
  Stage stage = GangOnN1AndN2();
  stage.Join("n3", 1, {}, 1, "d");
  stage.Say("n3", protocol::AttemptFailedToStart{kFirst, "a stray"});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
}

TEST(Gang, IsEndedByAFollowerThatCouldNotTellBefore) {
  Stage stage = GangOnN1AndN2();
  stage.Disconnect("n2");
  stage.Join("n2", 1, {{kFirst, false, {}}}, 1, "d");
  stage.Say("n2", protocol::AttemptFailedToStart{kFirst, "0 of its 1 ranks there came up"});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
}

// Its leader comes and tells how it ended.
TEST(Gang, IsNotLostWhenAFollowerJoinsThatHasDoneItsPart) {
  Stage stage = GangOnN1AndN2();
  stage.Join("n2", 1, {{kFirst, false, {}}}, 1, "d");
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.core.workers().at(1).holders.at(0), std::nullopt);
}

TEST(Gang, IsNotLostWhenAFollowerIsSilentAndComesBack) {
  Stage stage = GangOnN1AndN2();
  stage.now += seconds(29);
  stage.Say("n1", protocol::Heartbeat{});
  stage.Pass(seconds(1));
  EXPECT_THAT(stage.core.workers(), SizeIs(1)) << "n2 gets nothing new";
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  stage.Say("n2", protocol::Heartbeat{});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.core.workers().at(1).holders.at(0), kFirst);
}

TEST(Gang, IsNotSpreadOverTwoKindsOfDevices) {
  Stage stage;
  stage.Submit({{"a", 2}});
  for (const char* name : {"cpu", "cuda"}) {
    protocol::Hello hello;
    hello.worker = WorkerId(name);
    hello.incarnation = {1};
    hello.launch_domain = "d";
    hello.device = name;
    stage.Handle(WorkerJoined{hello});
  }
  stage.Inspect();
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("no group of workers has more than 1"));
}

TEST(Gang, ThatMayNotBeSpreadWaitsForOneWorkerAlsoAfterARestart) {
  Stage stage;
  stage.Submit({{"a", 2, 2, 2, spec::SlotsSpec::Spread::kOneWorker}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  const std::string why =
      "needs 2 slots at once on one worker, but no worker has more than 1 (its experiment says spread: false)";
  EXPECT_EQ(stage.core.Why(JobNamed("a")), why);
  stage.Restart();
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.LookAtFolders();
  EXPECT_EQ(stage.core.Why(JobNamed("a")), why);
  stage.Forget();
  stage.Join("n3", 2, {}, 1, "d");
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kFirst));
}

TEST(Restart, AttemptsAreUnknownUntilTheirWorkerJoins) {
  Stage stage = RunningOnN1();
  stage.Restart();
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kUnknown);
  EXPECT_THAT(stage.core.Why(JobNamed("a")), HasSubstr("waits for its worker to join again"));
  EXPECT_THAT(stage.core.workers(), IsEmpty());
  stage.Join("n2", 1);
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
  stage.Join("n1", 1, {Leads(kFirst)});
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  stage.Report(kFirst, protocol::Finished{10, 1});
  stage.End(kFirst, 0);
  EXPECT_EQ(stage.job("a").state, JobState::kFinished);
}

TEST(Restart, AttemptsOfAProcessThatDiedWithItAreReplacedAtOnce) {
  Stage stage = RunningOnN1();
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 1, {}, 2);
  stage.LookAtFolders();
  ASSERT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
  EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 10));
}

TEST(Restart, AttemptsThatNobodyClaimsAreLostAfterTheLease) {
  Stage stage = RunningOnN1();
  stage.Restart();
  stage.Join("n2", 1);
  stage.Pass(milliseconds(29999));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kUnknown);
  EXPECT_EQ(stage.core.NextDeadline(), stage.now + milliseconds(1));
  stage.Say("n2", protocol::Heartbeat{});
  stage.Pass(milliseconds(1));
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kEnded);
  stage.LookAtFolders();
  EXPECT_EQ(stage.attempt(kSecond).gang[0].worker, WorkerId("n2"));
}

TEST(Restart, ASlotBelongsToTheAttemptItWasGrantedToLast) {
  Stage stage;
  stage.Submit({{"b", 2}, {"a"}});
  stage.Join("n1", 1, {}, 1, "d");
  stage.Join("n2", 1, {}, 1, "d");
  stage.Inspect();
  stage.now += seconds(1);
  stage.Say("n2", protocol::SlotsFree{AttemptOf("b", 1), {0}});  // its leader n1 has not told of the end yet
  ASSERT_EQ(stage.attempt(kFirst).gang[0].worker, WorkerId("n2"));
  stage.Restart();
  stage.Join("n2", 1, {Leads(kFirst)}, 1, "d");
  EXPECT_EQ(stage.attempt(kFirst).state, AttemptState::kRunning);
  EXPECT_EQ(stage.attempt(AttemptOf("b", 1)).state, AttemptState::kUnknown);
}

// Its number comes from a clock, which may have been set back since.
TEST(Restart, AWorkerThatIsOnlyAwaitedMayComeBackWithALowerIncarnation) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1, {}, 7);
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 1, {}, 6);
  EXPECT_THAT(stage.Told<protocol::Refused>("n1"), IsEmpty());
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf(kInspectJob, 2)));
  stage.Join("n1", 1, {}, 5);
  EXPECT_THAT(stage.Told<protocol::Refused>("n1"), SizeIs(1)) << "the other one has joined here";
}

TEST(Restart, AGrantThatWasCommittedButNeverSentIsReplaced) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Restart();  // the StartAttempt was an effect of the last commit
  stage.Forget();
  stage.Join("n1", 1);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf(kInspectJob, 2)));
}

TEST(Restart, AnInspectionThatWasHeardButNotDrawnIsHeardAgain) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  const AttemptId inspect = AttemptOf(kInspectJob, 1);
  stage.Start(inspect);
  stage.Say("n1", protocol::AttemptEvent{inspect, 77, protocol::Inspected{}});
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 1, {Leads(inspect)});
  stage.Say("n1", protocol::AttemptEvent{inspect, 77, protocol::Inspected{}});
  EXPECT_THAT(stage.Asked<DrawSplit>(), SizeIs(1));
}

TEST(Restart, AnInspectionThatEndedBeforeTheSplitWasDrawnRunsAgain) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Report(AttemptOf(kInspectJob, 1), protocol::Inspected{});
  stage.End(AttemptOf(kInspectJob, 1), 0);
  stage.Restart();
  stage.Forget();
  stage.Join("n1", 1, {}, 2);
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf(kInspectJob, 2)));
}

TEST(Restart, ACombinationThatWasOnItsWayIsAskedForAgain) {
  Stage stage = RunningOnN1();
  stage.FinishMember(kFirst);
  stage.Restart();
  const auto combines = stage.Asked<Combine>();
  ASSERT_THAT(combines, SizeIs(2));
  EXPECT_EQ(combines[0].predictions, combines[1].predictions);
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
}

TEST(Restart, BackoffGoesOn) {
  Stage stage = RunningOnN1();
  stage.Fail(kFirst, "x");
  stage.Restart();
  stage.Join("n1", 1, {}, 2);
  stage.Forget();
  stage.Pass(milliseconds(999));
  EXPECT_THAT(stage.Asked<InspectFolders>(), IsEmpty());
  stage.Pass(milliseconds(1));
  EXPECT_THAT(stage.Asked<InspectFolders>(), SizeIs(1));
}

TEST(Restart, BackoffIsNeverLongerThanTheLongest) {
  Stage stage = RunningOnN1();
  stage.Fail(kFirst, "x");
  stage.now -= std::chrono::minutes(30);  // the clock was set back while nobody ran
  stage.Restart();
  stage.Pass(Settings().longest_backoff);
  stage.Join("n1", 1, {}, 2);
  EXPECT_THAT(stage.Asked<InspectFolders>(), SizeIs(1));
}

Settings StopsWhatItFinds() {
  Settings settings;
  settings.interrupted = Interrupted::kStop;
  return settings;
}

// As RunningOnN1(), in a process that is killed; the next stops what it finds.
Stage KilledAndStopped() {
  Stage stage(StopsWhatItFinds());
  stage.Submit({{"a"}, {"b"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.Start(kFirst);
  stage.Report(kFirst, CheckpointAt(10));
  stage.Restart();
  stage.Forget();
  return stage;
}

TEST(RestartThatStops, TrainsNothingThatItWasNotAskedFor) {
  Stage stage = KilledAndStopped();
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  EXPECT_EQ(stage.ensemble().note, "its process is gone");
  EXPECT_EQ(stage.job("b").state, JobState::kStopped);
  stage.Join("n1", 1, {}, 2);
  EXPECT_EQ(stage.job("a").state, JobState::kStopped);
  EXPECT_EQ(stage.job("a").reason, "its process is gone");
  EXPECT_TRUE(stage.ensemble().ended_at);
  EXPECT_THAT(stage.Asked<InspectFolders>(), IsEmpty());
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty());
}

TEST(RestartThatStops, GoesOnFromTheCheckpointWithWhatItIsAskedFor) {
  for (const bool joined_before : {true, false}) {
    SCOPED_TRACE(joined_before);
    Stage stage = KilledAndStopped();
    if (joined_before) stage.Join("n1", 1, {}, 2);
    stage.Handle(EnsembleResumed{kEnsemble});
    if (!joined_before) stage.Join("n1", 1, {}, 2);
    stage.LookAtFolders();
    EXPECT_THAT(stage.StartedAttempts(), ElementsAre(kSecond));
    EXPECT_EQ(stage.Asked<StartAttempt>()[0].resume_from, CheckpointOf("a", 1, 10));
    EXPECT_EQ(stage.ensemble().note, "");
  }
}

TEST(RestartThatStops, TellsAnAttemptThatIsStillAtWorkToStop) {
  Stage stage = KilledAndStopped();
  stage.Join("n1", 1, {Leads(kFirst)});
  ASSERT_THAT(stage.Told<protocol::StopAttempt>("n1"), SizeIs(1));
  EXPECT_EQ(stage.Told<protocol::StopAttempt>("n1")[0].reason, protocol::StopReason::kRequested);
  stage.End(kFirst, protocol::kExitStopped);
  EXPECT_EQ(stage.ensemble().note, "its process is gone");
  EXPECT_TRUE(stage.ensemble().ended_at);
}

TEST(RestartThatStops, WithoutALeaseHasNothingThatIsUnknown) {
  Settings settings = StopsWhatItFinds();
  settings.recovery_lease = Duration(0);
  Stage stage(settings);
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Restart();
  EXPECT_TRUE(stage.ensemble().ended_at);
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), SizeIs(1));
}

// In a process that was killed while it combined.
Stage KilledWhileCombining() {
  Stage stage(StopsWhatItFinds());
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Inspect();
  stage.FinishMember(kFirst);
  stage.Forget();
  stage.Restart();
  return stage;
}

TEST(RestartThatStops, MakesTheAnswerOnceItIsAskedFor) {
  Stage stage = KilledWhileCombining();
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  EXPECT_EQ(stage.ensemble().note, "its process is gone");
  EXPECT_THAT(stage.Asked<Combine>(), IsEmpty());
  stage.Restart();
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kStopped);
  stage.Handle(EnsembleResumed{kEnsemble});
  EXPECT_THAT(stage.Asked<Combine>(), SizeIs(1));
  stage.Handle(CombinationDone{kEnsemble, ""});
  EXPECT_EQ(stage.ensemble().state, EnsembleState::kFinished);
}

TEST(RestartThatStops, LeavesNothingAtWorkThatHoldsUpARemoval) {
  Stage stage = KilledWhileCombining();
  stage.Handle(EnsembleRemoved{kEnsemble});
  EXPECT_THAT(stage.Asked<RemoveEnsembleFolder>(), SizeIs(1));
}

TEST(Restart, JobsThatACatalogMadeAnewLacksAreThereAgain) {
  Stage stage = RunningOnN1();
  Records records = stage.core.records();
  records.jobs.clear();
  records.attempts.clear();
  records.checkpoints.clear();
  std::vector<Effect> outstanding;
  Core core = Core::Restore({}, Generation{2}, records, stage.now, outstanding);
  core.CheckInvariants();
  EXPECT_THAT(core.records().jobs, SizeIs(2));
}

TEST(Restart, RowsWithoutTheRowTheyBelongToAreLeftOut) {
  Stage stage = RunningOnN1();
  Records records = stage.core.records();
  records.ensembles.clear();
  std::vector<Effect> outstanding;
  Core core = Core::Restore({}, Generation{2}, records, stage.now, outstanding);
  core.CheckInvariants();
  EXPECT_EQ(core.records(), Records{});
}

TEST(Restart, AnExperimentThatCannotBeReadFailsAloneWithWords) {
  Stage stage = RunningOnN1();
  Records records = stage.core.records();
  records.ensembles[0].spec = "{";
  std::vector<Effect> outstanding;
  Core core = Core::Restore({}, Generation{2}, records, stage.now, outstanding);
  core.CheckInvariants();
  EXPECT_EQ(core.records().ensembles[0].state, EnsembleState::kFailed);
  EXPECT_THAT(core.records().ensembles[0].note, HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace tutti::core
