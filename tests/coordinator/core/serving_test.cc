// Who is next when slots come free: over ensembles, and over the gangs of one.
#include "coordinator/core/serving.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/jobs.h"
#include "tests/coordinator/core/stage.h"

namespace tutti::core {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A state in which ensembles wait, each with a few jobs.
class Queue {
 public:
  Ensemble& Add(const std::string& id, int jobs) {
    Ensemble& ensemble = state_.ensembles[EnsembleId(id)];
    ensemble.record.id = EnsembleId(id);
    ensemble.record.submitted_at = TimePoint(seconds(std::ssize(state_.ensembles)));
    for (int i = 1; i <= jobs; ++i) {
      Job& job = state_.jobs[JobId{EnsembleId(id), "m" + std::to_string(i)}];
      job.record.id = {EnsembleId(id), "m" + std::to_string(i)};
      job.record.position = i;
      state_.ready.insert(QueueKeyOf(state_, job));
    }
    return ensemble;
  }
  void Keep(const std::string& ensemble, const std::string& job) {
    state_.kept[++state_.jobs_kept] = JobId{EnsembleId(ensemble), job};
    state_.jobs.at({EnsembleId(ensemble), job}).kept_since = state_.jobs_kept;
  }
  // All of them, when each is given as many slots.
  std::vector<std::string> Served(int slots) const {
    std::vector<std::string> names;
    ServingOrder order(state_);
    while (const Job* job = order.Next()) {
      names.push_back(job->record.id.str());
      if (slots > 0) order.Gave(slots);
    }
    return names;
  }

 private:
  State state_;
};

TEST(ServingOrder, TakesTurnsBetweenEnsembles) {
  Queue queue;
  queue.Add("a-1", 3);
  queue.Add("b-1", 2);
  EXPECT_THAT(queue.Served(1), ElementsAre("a-1/m1", "b-1/m1", "a-1/m2", "b-1/m2", "a-1/m3"));
}

TEST(ServingOrder, StaysWithAnEnsembleThatGetsNothing) {
  Queue queue;
  queue.Add("a-1", 2);
  queue.Add("b-1", 1);
  EXPECT_THAT(queue.Served(0), ElementsAre("a-1/m1", "a-1/m2", "b-1/m1"));
}

TEST(ServingOrder, OfEqualsTheOneThatWasGrantedSomethingLongestAgoIsNext) {
  Queue queue;
  queue.Add("a-1", 1).last_grant = 7;
  queue.Add("b-1", 1).last_grant = 3;
  queue.Add("c-1", 1);
  EXPECT_THAT(queue.Served(1), ElementsAre("c-1/m1", "b-1/m1", "a-1/m1"));
}

TEST(ServingOrder, AHigherPriorityIsServedFirstWhateverItHolds) {
  Queue queue;
  queue.Add("a-1", 2);
  queue.Add("b-1", 2).record.priority = 1;
  queue.Add("c-1", 1).record.priority = -1;
  EXPECT_THAT(queue.Served(4), ElementsAre("b-1/m1", "b-1/m2", "a-1/m1", "a-1/m2", "c-1/m1"));
}

TEST(ServingOrder, GangsThatSlotsAreKeptForComeFirstInTheirPriority) {
  Queue queue;
  queue.Add("a-1", 2);
  queue.Add("b-1", 2);
  queue.Add("c-1", 1).record.priority = 1;
  queue.Keep("b-1", "m2");
  queue.Keep("a-1", "m2");
  EXPECT_THAT(queue.Served(1), ElementsAre("c-1/m1", "b-1/m2", "a-1/m2", "b-1/m1", "a-1/m1"));
}

// ---- the same through the core ----

const EnsembleId kOther("f-1");

// Ensemble e-1 fills n1 with its members a, b and has more; f-1 comes later.
Stage EnsembleThatFillsN1() {
  Stage stage;
  stage.Submit({{"a"}, {"b"}, {"c"}, {"d"}});
  stage.Join("n1", 2);
  stage.Inspect();
  return stage;
}

TEST(Fairness, TheEnsembleWithTheFewestSlotsIsNext) {
  Stage stage = EnsembleThatFillsN1();
  stage.Handle(EnsembleSubmitted{kOther, ExperimentOf({{"x"}}), "hash"});
  stage.Forget();
  stage.FinishMember(AttemptOf("a", 1));
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptId{{kOther, kInspectJob}, 1}))
      << "the first ensemble still holds a slot, this one none";
}

TEST(Fairness, AGangThatSlotsAreKeptForIsNotOvertakenByOneWhoseEnsembleHoldsLess) {
  Stage stage;
  stage.Submit({{"a"}, {"wide", 2}});
  stage.Join("n1", 2);
  stage.Inspect();  // "a" runs, and the other slot is kept for "wide"
  stage.Handle(EnsembleSubmitted{kOther, ExperimentOf({{"x"}}), "hash"});
  EXPECT_THAT(stage.core.Why({kOther, kInspectJob}), HasSubstr("what comes free first is for e-1/wide"));
  stage.Forget();
  stage.FinishMember(AttemptOf("a", 1));
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("wide", 1)));
}

TEST(Backfilling, GoesWhereTheFirstWaitingGangWaitsForNothing) {
  Stage stage;
  stage.Submit({{"a"}, {"wide", 3}, {"b"}, {"c"}});
  stage.Join("n1", 3, {}, 1, "left");
  stage.Inspect();
  ASSERT_EQ(stage.job("wide").state, JobState::kWaiting);
  ASSERT_EQ(stage.job("b").state, JobState::kWaiting) << "the slots beside a are kept";
  stage.Forget();
  stage.Join("n2", 1, {}, 1, "right");
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("b", 1)));
  stage.Forget();
  stage.FinishMember(AttemptOf("a", 1));
  EXPECT_THAT(stage.StartedAttempts(), ElementsAre(AttemptOf("wide", 1)));
}

}  // namespace
}  // namespace tutti::core
