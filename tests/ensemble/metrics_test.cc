#include "ensemble/metrics.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/ensemble/testing.h"

namespace tutti::ensemble {
namespace {

using testing::DoubleNear;
using testing::Optional;

auto Near(double value) { return Optional(DoubleNear(value, 1e-12)); }

TEST(Metrics, OfAPerfectPredictorAreZeroLossAndFullAccuracy) {
  const Metrics metrics = MetricsOf(MatrixOf({{1, 0}, {0, 1}}), std::vector<int64_t>{0, 1});
  EXPECT_EQ(metrics.accuracy, 1);
  EXPECT_THAT(metrics.nll, Near(0));
  EXPECT_THAT(metrics.brier, Near(0));
  EXPECT_THAT(metrics.ece, Near(0));
}

TEST(Metrics, AreTheTextbooksFigures) {
  const Metrics metrics = MetricsOf(MatrixOf({{0.7, 0.2, 0.1}, {0.3, 0.3, 0.4}}), std::vector<int64_t>{0, 1});
  EXPECT_EQ(metrics.accuracy, 0.5);
  EXPECT_THAT(metrics.nll, Near((-std::log(0.7) - std::log(0.3)) / 2));
  EXPECT_THAT(metrics.brier, Near(((0.09 + 0.04 + 0.01) + (0.09 + 0.49 + 0.16)) / 2));
  EXPECT_THAT(metrics.ece, Near((0.3 + 0.4) / 2));
}

TEST(Metrics, ASureMistakeCostsABoundedNll) {
  const Metrics metrics = MetricsOf(MatrixOf({{1, 0}}), std::vector<int64_t>{1});
  EXPECT_THAT(metrics.nll, Near(-std::log(kSmallestProbability)));
  EXPECT_THAT(metrics.brier, Near(2));
}

TEST(Metrics, NoAnswerIsAsBadAsASureMistake) {
  const Metrics silent = MetricsOf(MatrixOf({{kNaN, kNaN}, {1, 0}}), std::vector<int64_t>{1, 0});
  const Metrics wrong = MetricsOf(MatrixOf({{1, 0}, {1, 0}}), std::vector<int64_t>{1, 0});
  EXPECT_EQ(silent.accuracy, wrong.accuracy);
  EXPECT_EQ(silent.nll, wrong.nll);
  EXPECT_EQ(silent.brier, wrong.brier);
  EXPECT_EQ(silent.ece, wrong.ece);
  EXPECT_EQ(silent.unanswered, 1);
  EXPECT_EQ(wrong.unanswered, 0);
}

TEST(Metrics, AreNeverNaNEvenWithoutASingleAnswer) {
  const Metrics metrics = MetricsOf(MatrixOf({{kNaN, kNaN}}), std::vector<int64_t>{0});
  EXPECT_EQ(metrics.accuracy, 0);
  EXPECT_TRUE(std::isfinite(metrics.nll.value()));
  EXPECT_THAT(metrics.brier, Near(2));
  EXPECT_THAT(metrics.ece, Near(1));
}

TEST(Metrics, OfCountsAreAccuracyAlone) {
  const Combination vote = CombineByVote(std::vector{MatrixOf({{0.4, 0.6}}), MatrixOf({{0.1, 0.9}})});
  const Metrics metrics = MetricsOf(vote, Combiner::Shares::kCounts, std::vector<int64_t>{1});
  EXPECT_EQ(metrics.accuracy, 1);
  EXPECT_EQ(metrics.nll, std::nullopt);
  EXPECT_EQ(metrics.brier, std::nullopt);
  EXPECT_EQ(metrics.ece, std::nullopt);
}

TEST(Metrics, AccuracyOfAVoteIsThatOfItsAnswersNotOfItsShares) {
  // A tie of votes: the shares alone would give class 0.
  const Combination vote = CombineByVote(std::vector{MatrixOf({{0.6, 0.4}}), MatrixOf({{0, 1}})});
  EXPECT_EQ(MetricsOf(vote, Combiner::Shares::kCounts, std::vector<int64_t>{1}).accuracy, 1);
}

TEST(ExpectedCalibrationError, ABinHoldsItsUpperEdgeAndNotItsLower) {
  // 0.8 is the upper edge of bin 12 of 15 and 0.81 lies in bin 13: together their errors would cancel.
  const Matrix probabilities = MatrixOf({{0.8, 0.2}, {0.19, 0.81}});
  const double error = ExpectedCalibrationError(probabilities, std::vector<int64_t>{1, 1});
  EXPECT_NEAR(error, (0.8 + 0.19) / 2, 1e-12);
}

TEST(ExpectedCalibrationError, WithinABinErrorsCancel) {
  const Matrix probabilities = MatrixOf({{0.5, 0.5}, {0.5, 0.5}});
  EXPECT_NEAR(ExpectedCalibrationError(probabilities, std::vector<int64_t>{0, 1}), 0, 1e-12);
}

TEST(SampleLosses, HaveTheMetricsAsTheirMeans) {
  const Matrix probabilities = MatrixOf({{0.7, 0.3}, {0.2, 0.8}, {0.9, 0.1}});
  const std::vector<int64_t> labels{0, 1, 1};
  const SampleLosses losses = LossesOf(probabilities, labels);
  const Metrics metrics = MetricsOf(probabilities, labels);
  const auto mean = [](const std::vector<double>& v) { return (v[0] + v[1] + v[2]) / 3; };
  EXPECT_NEAR(mean(losses.correct), metrics.accuracy, 1e-12);
  EXPECT_THAT(metrics.nll, Near(mean(losses.nll)));
  EXPECT_THAT(metrics.brier, Near(mean(losses.brier)));
}

}  // namespace
}  // namespace tutti::ensemble
