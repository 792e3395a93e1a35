// Whose fault it is when attempts fail: the worker's, or the member's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Core::WorkerView ViewOf(const Stage& stage, const std::string& worker) {
  for (const auto& view : stage.core.workers()) {
    if (view.id.str() == worker) return view;
  }
  ADD_FAILURE() << "no worker " << worker;
  return {};
}

std::string WorkerOf(const Stage& stage, const AttemptId& attempt) {
  return stage.attempt(attempt).gang.at(0).worker.str();
}

// n1 has three slots, on which a, b and c run; n2 has one, on which d runs.
Stage RunningOnTwo() {
  Stage stage;
  stage.Submit({{"a"}, {"b"}, {"c"}, {"d"}});
  stage.Join("n1", 3);
  stage.Inspect();
  stage.Join("n2", 1);
  for (const char* job : {"a", "b", "c", "d"}) stage.Start(AttemptOf(job, 1));
  stage.Forget();
  return stage;
}

TEST(SettingAside, AWorkerThatFailsAttemptsOfSeveralJobsGetsNothingNewAndSaysWhy) {
  Stage stage = RunningOnTwo();
  stage.Fail(AttemptOf("a", 1), "no such device");
  stage.Fail(AttemptOf("b", 1), "no such device");
  EXPECT_EQ(ViewOf(stage, "n1").closed, "");
  stage.Fail(AttemptOf("c", 1), "the device is gone");
  EXPECT_EQ(ViewOf(stage, "n1").closed, "is set aside: 3 attempts in a row failed there, the last: the device is gone");
  EXPECT_FALSE(ViewOf(stage, "n1").draining);
  stage.Forget();
  stage.Pass(seconds(1));
  stage.LookAtFolders();
  EXPECT_THAT(stage.StartedAttempts(), IsEmpty()) << "n2 is busy, and n1 gets nothing";
  stage.FinishMember(AttemptOf("d", 1));
  stage.LookAtFolders();
  EXPECT_EQ(WorkerOf(stage, AttemptOf("a", 2)), "n2");
}

TEST(SettingAside, IsTheReasonOfGangsThatFitNowhereElse) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}, {"c"}, {"wide", 3}});
  stage.Join("n1", 3);
  stage.Inspect();
  stage.Join("n2", 1);
  for (const char* job : {"a", "b", "c"}) stage.Fail(AttemptOf(job, 1), "no such device");
  EXPECT_THAT(stage.core.Why(JobNamed("wide")), HasSubstr("n1 is set aside: 3 attempts in a row failed there"));
}

TEST(SettingAside, IsNotDoneToTheLastWorkerThatTakesWork) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}});
  stage.Join("n1", 2);
  stage.Inspect();
  for (int number = 1; number <= 2; ++number) {
    for (const char* job : {"a", "b"}) {
      stage.Start(AttemptOf(job, number));
      stage.Fail(AttemptOf(job, number), "no such device");
    }
    EXPECT_EQ(ViewOf(stage, "n1").closed, "");
    stage.Pass(seconds(10));
    stage.LookAtFolders();
  }
  EXPECT_EQ(stage.job("a").attempts, 3);
}

TEST(SettingAside, EndsWhenEverybodyElseIsGone) {
  Stage stage = RunningOnTwo();
  for (const char* job : {"a", "b", "c"}) stage.Fail(AttemptOf(job, 1), "no such device");
  stage.Disconnect("n2");
  stage.Pass(seconds(5));
  stage.LookAtFolders();
  EXPECT_EQ(WorkerOf(stage, AttemptOf("a", 2)), "n1");
}

TEST(SettingAside, LastsAWhileAndThenOneFailureIsEnough) {
  Settings settings;
  settings.maximum_failures = 10;
  settings.silence_limit = minutes(60);
  Stage stage(settings);
  stage.Submit({{"a"}, {"b"}, {"c"}, {"d"}});
  stage.Join("n1", 3);
  stage.Inspect();
  stage.Join("n2", 1);
  for (const char* job : {"a", "b", "c"}) stage.Fail(AttemptOf(job, 1), "no such device");
  EXPECT_LE(*stage.core.NextDeadline(), stage.now + minutes(10));
  stage.Pass(minutes(10));
  EXPECT_EQ(ViewOf(stage, "n1").closed, "");
  stage.LookAtFolders();
  ASSERT_EQ(WorkerOf(stage, AttemptOf("a", 2)), "n1") << "n2 is busy: it has no choice";
  stage.Fail(AttemptOf("a", 2), "still no such device");
  EXPECT_THAT(ViewOf(stage, "n1").closed, HasSubstr("still no such device"));
}

TEST(SettingAside, IsForgottenWithACheckpointANewProcessOrAnOperatorsWord) {
  const auto failing_twice = [] {
    Stage stage = RunningOnTwo();
    for (const char* job : {"a", "b"}) stage.Fail(AttemptOf(job, 1), "no such device");
    return stage;
  };
  Stage progress = failing_twice();
  progress.Report(AttemptOf("c", 1), CheckpointAt(10));
  progress.Fail(AttemptOf("c", 1), "no such device");
  EXPECT_EQ(ViewOf(progress, "n1").closed, "");

  Stage anew = failing_twice();
  anew.Fail(AttemptOf("c", 1), "no such device");
  anew.Join("n1", 3, {}, 2);
  EXPECT_EQ(ViewOf(anew, "n1").closed, "");

  Stage told = failing_twice();
  told.Fail(AttemptOf("c", 1), "no such device");
  told.Drain("n1", false);
  EXPECT_EQ(ViewOf(told, "n1").closed, "");
}

TEST(GivingUp, OneMemberThatFailsAgainAndAgainIsNoFaultOfTheWorker) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Inspect();
  for (int number = 1; number <= 3; ++number) {
    stage.Start(AttemptOf("a", number));
    stage.Fail(AttemptOf("a", number), "it does not learn");
    stage.Pass(seconds(10));
    stage.LookAtFolders();
    if (number == 1) stage.Join("n2", 1);
  }
  EXPECT_THAT(stage.core.workers(), Each(::testing::Field(&Core::WorkerView::closed, "")));
}

TEST(GivingUp, AMemberThatFailsOnSeveralWorkersIsTriedElsewhereAndGivenUpWithTheLastError) {
  Stage stage;
  stage.Submit({{"a"}});
  stage.Join("n1", 1);
  stage.Join("n2", 2);
  stage.Join("n3", 3);
  stage.Inspect();
  for (int number = 1; number <= 3; ++number) {
    EXPECT_EQ(WorkerOf(stage, AttemptOf("a", number)), "n" + std::to_string(number)) << "where it has not failed yet";
    stage.Start(AttemptOf("a", number));
    stage.Fail(AttemptOf("a", number), "error " + std::to_string(number));
    stage.Pass(seconds(10));
    stage.LookAtFolders();
  }
  EXPECT_EQ(stage.job("a").state, JobState::kFailed);
  EXPECT_EQ(stage.job("a").reason,
            "given up after 3 failures on n1, n2, n3 without a new checkpoint between them: error 3");
}

TEST(SettingAside, DoesNotBlameAWorkerForWhatTheCoordinatorCouldNotPrepare) {
  Stage stage;
  stage.Submit({{"a"}, {"b"}, {"c"}, {"d"}});
  stage.Join("n1", 1);
  stage.Join("n2", 1);
  stage.Inspect();
  for (const char* name : {"a", "b", "c", "d"}) {
    stage.Handle(StartRefused{AttemptOf(name, 1), "its folder is gone"});
    stage.Free(AttemptOf(name, 1));
  }
  for (const auto& worker : stage.core.workers()) EXPECT_EQ(worker.closed, "") << worker.id.str();
  EXPECT_THAT(stage.attempt(AttemptOf("a", 1)).error, HasSubstr("could not be prepared: its folder is gone"));
}

}  // namespace
}  // namespace tutti::core
