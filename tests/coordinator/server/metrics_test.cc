// What /metrics is made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/server/attempt_tally.h"
#include "coordinator/server/metrics_text.h"

namespace tutti::server {
namespace {

AttemptRecord Attempt(int number, AttemptState state, std::optional<int> exit_code = {}, std::string error = "") {
  AttemptRecord record;
  record.id = {{EnsembleId("a-1"), "m"}, number};
  record.state = state;
  record.exit_code = exit_code;
  record.error = std::move(error);
  return record;
}

TEST(AttemptTally, CountsEachAttemptOnceHoweverOftenItIsCommitted) {
  AttemptTally tally;
  for (int i = 0; i < 2; ++i) tally.Note(Attempt(1, AttemptState::kGranted));
  for (int i = 0; i < 2; ++i) tally.Note(Attempt(1, AttemptState::kRunning));
  for (int i = 0; i < 2; ++i) tally.Note(Attempt(1, AttemptState::kEnded, 76, "diverged"));
  EXPECT_EQ(tally.started(), 1);
  EXPECT_EQ(tally.failed(), 1);
}

TEST(AttemptTally, KnowsWhatAFailureIs) {
  AttemptTally tally;
  for (int number = 1; number <= 5; ++number) tally.Note(Attempt(number, AttemptState::kGranted));
  tally.Note(Attempt(1, AttemptState::kEnded, 0));
  tally.Note(Attempt(2, AttemptState::kEnded, 75));
  EXPECT_EQ(tally.failed(), 0) << "done, and stopped on request";
  tally.Note(Attempt(3, AttemptState::kEnded, 137));
  tally.Note(Attempt(4, AttemptState::kEnded, std::nullopt, "the disk is full"));
  EXPECT_EQ(tally.failed(), 2);
  EXPECT_EQ(tally.started(), 5);
}

TEST(AttemptTally, OneOfAnEarlierCoordinatorWasNotStartedHereButMayFailHere) {
  AttemptTally tally;
  tally.Know(Attempt(1, AttemptState::kEnded, 76));
  tally.Know(Attempt(2, AttemptState::kUnknown));
  tally.Note(Attempt(2, AttemptState::kEnded, 137));
  EXPECT_EQ(tally.started(), 0);
  EXPECT_EQ(tally.failed(), 1);
}

TEST(MetricsText, IsWhatPrometheusReads) {
  MetricsText metrics;
  metrics.Add("a_total", MetricsText::Type::kCounter, "All of a.", 3);
  metrics.Add("b", MetricsText::Type::kGauge, "B by c.", "c", {{"x", 1}, {"y", 0.5}});
  EXPECT_EQ(std::move(metrics).text(),
            "# HELP a_total All of a.\n# TYPE a_total counter\na_total 3\n"
            "# HELP b B by c.\n# TYPE b gauge\nb{c=\"x\"} 1\nb{c=\"y\"} 0.5\n");
}

}  // namespace
}  // namespace tutti::server
