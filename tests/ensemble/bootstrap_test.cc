#include "ensemble/bootstrap.h"

#include <gmock/gmock.h>

#include "tests/ensemble/testing.h"

namespace tutti::ensemble {
namespace {

using testing::ElementsAre;

Matrix Alternating(Eigen::Index samples, double low, double high) {
  Matrix differences(samples, 1);
  for (Eigen::Index i = 0; i < samples; ++i) differences(i, 0) = i % 2 == 0 ? low : high;
  return differences;
}

TEST(PairedIntervals, OfAConstantDifferenceIsAPoint) {
  const Matrix constant = Matrix::Constant(50, 1, -0.25);
  EXPECT_THAT(PairedIntervals(constant), ElementsAre(Interval{-0.25, -0.25, -0.25}));
}

TEST(PairedIntervals, HaveTheWidthOfTheNormalApproximation) {
  // Deviation 1, 400 samples: 1.96 / 20 on either side. Means come in steps of 0.005.
  const Interval interval = PairedIntervals(Alternating(400, -1, 1), {.resamples = 10000}).front();
  EXPECT_EQ(interval.difference, 0);
  EXPECT_NEAR(interval.low, -0.098, 0.006);
  EXPECT_NEAR(interval.high, 0.098, 0.006);
}

TEST(PairedIntervals, AreTheSameForTheSameSeedAndOthersForAnother) {
  const Matrix differences = Alternating(100, 0, 1);
  EXPECT_EQ(PairedIntervals(differences), PairedIntervals(differences));
  EXPECT_NE(PairedIntervals(differences, {.seed = 1}), PairedIntervals(differences));
}

TEST(PairedIntervals, WidenWithTheConfidenceAskedFor) {
  const Matrix differences = Alternating(100, 0, 1);
  const Interval half = PairedIntervals(differences, {.confidence = 0.5}).front();
  const Interval most = PairedIntervals(differences, {.confidence = 0.99}).front();
  EXPECT_GT(half.low, most.low);
  EXPECT_LT(half.high, most.high);
}

TEST(PairedIntervals, DrawTheSameSamplesForEveryComparison) {
  Matrix both(100, 2);
  both.col(0) = Alternating(100, 0, 1).col(0);
  both.col(1) = 2 * both.col(0);
  const auto intervals = PairedIntervals(both);
  EXPECT_EQ(intervals[1].low, 2 * intervals[0].low);
  EXPECT_EQ(intervals[0], PairedIntervals(Alternating(100, 0, 1)).front());
}

TEST(PairedIntervals, OfASingleSampleIsThatSample) {
  EXPECT_THAT(PairedIntervals(MatrixOf({{0.5}})), ElementsAre(Interval{0.5, 0.5, 0.5}));
}

}  // namespace
}  // namespace tutti::ensemble
