// How long members are said to take: as such members took before.
#include "coordinator/server/estimates.h"

#include <gtest/gtest.h>

#include "experiments.h"

namespace tutti::server {
namespace {

using std::chrono::seconds;

// An ensemble of the experiment whose members all took as long.
Records Trained(const spec::EnsembleSpec& spec, Duration took, JobState state = JobState::kFinished) {
  Records records;
  EnsembleRecord ensemble;
  ensemble.id = EnsembleId("trial-1");
  ensemble.spec = spec::ToJson(spec).dump();
  records.ensembles.push_back(ensemble);
  for (const spec::MemberSpec& member : spec.members) {
    JobRecord job;
    job.id = {ensemble.id, member.name};
    job.state = state;
    records.jobs.push_back(job);
    AttemptRecord attempt;
    attempt.id = {job.id, 1};
    attempt.started_at = TimePoint();
    attempt.ended_at = TimePoint(took);
    records.attempts.push_back(attempt);
  }
  return records;
}

TEST(Estimates, AMemberTakesAsLongAsOneLikeItTook) {
  spec::EnsembleSpec spec = testing::AnExperiment();
  spec.members[0].training.length = 10;
  Estimates estimates;
  EXPECT_FALSE(estimates.Of(spec.data, spec.members[0]));
  estimates.Learn(Trained(spec, seconds(100)), {}, TimePoint());
  EXPECT_EQ(estimates.Of(spec.data, spec.members[0]), seconds(100));
  spec::MemberSpec other = spec.members[0];
  other.seed = 99;
  other.training.length = 5;
  EXPECT_EQ(estimates.Of(spec.data, other), seconds(50)) << "half as many epochs, another seed";
  other.training.batch_size *= 2;
  EXPECT_FALSE(estimates.Of(spec.data, other));
}

TEST(Estimates, WhatRunsTellsByHowFarItIs) {
  spec::EnsembleSpec spec = testing::AnExperiment();
  spec.members.resize(1);
  spec.members[0].training.length = 10;
  Records records = Trained(spec, seconds(0), JobState::kRunning);
  records.attempts[0].ended_at.reset();
  Estimates estimates;
  const JobId job{EnsembleId("trial-1"), spec.members[0].name};
  estimates.Learn(records, {{job, 0.5}}, TimePoint(seconds(10)));
  EXPECT_FALSE(estimates.Left(job)) << "half an epoch says too little";
  estimates = Estimates();
  estimates.Learn(records, {{job, 4}}, TimePoint(seconds(40)));
  EXPECT_EQ(estimates.Left(job), seconds(60));
}

TEST(Estimates, NothingTakesLongerThanForecastsCanAddUp) {
  spec::EnsembleSpec spec = testing::AnExperiment();
  spec.members[0].training.length_unit = spec::TrainingSpec::LengthUnit::kSteps;
  spec.members[0].training.length = 1;
  Estimates estimates;
  estimates.Learn(Trained(spec, std::chrono::hours(24)), {}, TimePoint());
  spec.members[0].training.length = 1'000'000'000'000;
  EXPECT_EQ(estimates.Of(spec.data, spec.members[0]), std::chrono::hours(24 * 36525));
}

TEST(Estimates, WhatWasLearntFirstCounts) {
  const spec::EnsembleSpec spec = testing::AnExperiment();
  Estimates estimates;
  estimates.Learn(Trained(spec, seconds(10)), {}, TimePoint());
  estimates.Learn(Trained(spec, seconds(1000)), {}, TimePoint());
  EXPECT_EQ(estimates.Of(spec.data, spec.members[0]), seconds(10));
}

TEST(LongestBesideTraining, IsTheLongestOfTheAttemptsThatFinished) {
  spec::EnsembleSpec spec = testing::AnExperiment();
  spec.members.resize(2);
  Records records = Trained(spec, seconds(100));
  EXPECT_FALSE(LongestBesideTraining(records)) << "none is known to have finished";
  const auto train = [&](size_t attempt, int epochs, double seconds_each) {
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      EpochRecord record;
      record.attempt = records.attempts[attempt].id;
      record.epoch = epoch;
      record.train_seconds = seconds_each;
      records.epochs.push_back(record);
    }
  };
  train(0, 5, 18);  // 10 s of 100 are left for five epochs
  train(1, 2, 5);   // 90 s for two, if it had finished
  records.attempts[0].exit_code = 0;
  records.attempts[1].exit_code = 75;
  EXPECT_EQ(LongestBesideTraining(records), seconds(2));
  records.attempts[1].exit_code = 0;
  EXPECT_EQ(LongestBesideTraining(records), seconds(45));
}

}  // namespace
}  // namespace tutti::server
