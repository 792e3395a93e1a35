#include "ensemble/predictions.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/ensemble/testing.h"

namespace tutti::ensemble {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

TEST(Softmax, GivesRowsThatSumToOneHoweverLargeTheLogits) {
  const Matrix probabilities = Softmax(LogitsOf({{0, 0}, {3e38F, 3e38F}, {-3e38F, 3e38F}, {1000, 999}}));
  EXPECT_EQ(probabilities.row(0), MatrixOf({{0.5, 0.5}}));
  EXPECT_EQ(probabilities.row(1), MatrixOf({{0.5, 0.5}}));
  EXPECT_EQ(probabilities.row(2), MatrixOf({{0, 1}}));
  EXPECT_NEAR(probabilities(3, 0), 1 / (1 + std::exp(-1.0)), 1e-15);
}

TEST(Softmax, MinusInfinityExcludesAClass) {
  EXPECT_EQ(Softmax(LogitsOf({{-kInfinity, 1, 1}})), MatrixOf({{0, 0.5, 0.5}}));
}

TEST(Softmax, ARowThatIsNoDistributionGivesNoAnswer) {
  const Matrix probabilities =
      Softmax(LogitsOf({{0, NAN}, {NAN, 0}, {kInfinity, 0}, {-kInfinity, -kInfinity}, {0, 1}}));
  for (Eigen::Index row = 0; row < 4; ++row) {
    EXPECT_FALSE(IsAnswered(probabilities, row)) << row;
    EXPECT_TRUE(probabilities.row(row).array().isNaN().all()) << row;
  }
  EXPECT_TRUE(IsAnswered(probabilities, 4));
}

TEST(Answers, ATieGoesToTheLowestClass) {
  EXPECT_THAT(Answers(MatrixOf({{0.2, 0.4, 0.4}, {0.4, 0.2, 0.4}, {1.0 / 3, 1.0 / 3, 1.0 / 3}})),
              ElementsAre(Optional(1), Optional(0), Optional(0)));
}

TEST(Answers, ThereIsNoneWhereThePredictorGaveNone) {
  EXPECT_THAT(Answers(MatrixOf({{kNaN, kNaN}, {0, 1}})), ElementsAre(std::nullopt, Optional(1)));
}

TEST(ProbabilitiesInOrder, PutsRowsIntoTheOrderAskedFor) {
  const Predictions predictions{{30, 10, 20}, LogitsOf({{9, 0}, {0, 9}, {0, 0}})};
  const auto probabilities = ProbabilitiesInOrder(predictions, std::vector<int64_t>{10, 20, 30});
  ASSERT_TRUE(probabilities);
  EXPECT_GT((*probabilities)(0, 1), 0.99);
  EXPECT_EQ((*probabilities)(1, 0), 0.5);
  EXPECT_GT((*probabilities)(2, 0), 0.99);
}

struct BadCover {
  std::vector<int64_t> predicted;
  std::vector<int64_t> asked;
  std::string says;
};

TEST(ProbabilitiesInOrder, RefusesPredictionsForOtherSamples) {
  for (const auto& [predicted, asked, says] : std::vector<BadCover>{
           {{1, 2}, {1, 3}, "sample 3 is not predicted"},
           {{1, 1}, {1, 2}, "sample 1 is predicted twice"},
           {{1, 2}, {1}, "2 samples are predicted, the split has 1"},
           {{1, 2}, {1, 1}, "sample 1 is in the split twice"},
           {{1, 2, 3}, {1, 2, 3}, "3 sample ids beside 2 rows"},
       }) {
    SCOPED_TRACE(says);
    const auto probabilities = ProbabilitiesInOrder({predicted, LogitsOf({{0, 1}, {0, 1}})}, asked);
    ASSERT_FALSE(probabilities);
    EXPECT_EQ(probabilities.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(probabilities.error().message, HasSubstr(says));
  }
}

}  // namespace
}  // namespace tutti::ensemble
