#include "ensemble/combiners.h"

#include <gmock/gmock.h>

#include "tests/ensemble/testing.h"

namespace tutti::ensemble {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

const Matrix kSilent = MatrixOf({{kNaN, kNaN, kNaN}});

TEST(Combiners, AreFoundByName) {
  for (const Combiner& combiner : Combiners()) EXPECT_EQ(FindCombiner(combiner.name).value(), &combiner);
  EXPECT_EQ(FindCombiner("mean").value()->shares, Combiner::Shares::kProbabilities);
  EXPECT_EQ(FindCombiner("vote").value()->shares, Combiner::Shares::kCounts);
}

TEST(Combiners, AnUnknownNameIsToldWhichThereAre) {
  const auto found = FindCombiner("median");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(found.error().message, HasSubstr("'median'; there are: mean, vote"));
}

TEST(Combiners, OfOnePredictorSayWhatItSays) {
  const std::vector<Matrix> one{MatrixOf({{0.1, 0.7, 0.2}, {0.6, 0.3, 0.1}})};
  for (const Combiner& combiner : Combiners()) {
    EXPECT_THAT(combiner.combine(one).answers, ElementsAre(Optional(1), Optional(0))) << combiner.name;
  }
  EXPECT_EQ(CombineByMean(one).shares, one.front());
}

TEST(Combiners, GiveNoAnswerWhereNoPredictorDoes) {
  const std::vector<Matrix> silent{kSilent, kSilent};
  for (const Combiner& combiner : Combiners()) {
    const Combination combination = combiner.combine(silent);
    EXPECT_THAT(combination.answers, ElementsAre(std::nullopt)) << combiner.name;
    EXPECT_FALSE(IsAnswered(combination.shares, 0)) << combiner.name;
  }
}

TEST(Mean, AveragesProbabilities) {
  const Combination combination =
      CombineByMean(std::vector{MatrixOf({{0.5, 0.25, 0.25}}), MatrixOf({{0, 0.75, 0.25}})});
  EXPECT_EQ(combination.shares, MatrixOf({{0.25, 0.5, 0.25}}));
  EXPECT_THAT(combination.answers, ElementsAre(Optional(1)));
}

TEST(Mean, LeavesOutAPredictorThatDoesNotAnswer) {
  const Combination combination =
      CombineByMean(std::vector{kSilent, MatrixOf({{0.5, 0.25, 0.25}}), MatrixOf({{0, 0.75, 0.25}})});
  EXPECT_EQ(combination.shares, MatrixOf({{0.25, 0.5, 0.25}}));
}

TEST(Vote, MostVotesWinAgainstAHigherMeanProbability) {
  const std::vector predictors{MatrixOf({{0.51, 0.49, 0}}), MatrixOf({{0.51, 0.49, 0}}), MatrixOf({{0, 1, 0}})};
  EXPECT_THAT(CombineByVote(predictors).answers, ElementsAre(Optional(0)));
  EXPECT_THAT(CombineByMean(predictors).answers, ElementsAre(Optional(1)));
}

TEST(Vote, ATieGoesToTheTiedClassWithTheHigherMeanProbability) {
  // One vote each for 0 and 1; class 2 has the highest mean of all and no vote.
  const std::vector predictors{MatrixOf({{0.5, 0.05, 0.45}}), MatrixOf({{0, 0.51, 0.49}})};
  EXPECT_THAT(CombineByMean(predictors).answers, ElementsAre(Optional(2)));
  EXPECT_THAT(CombineByVote(predictors).answers, ElementsAre(Optional(1)));
}

TEST(Vote, ATieInEverythingGoesToTheLowestClass) {
  const std::vector predictors{MatrixOf({{0, 0.25, 0.75}}), MatrixOf({{0, 0.75, 0.25}})};
  EXPECT_THAT(CombineByVote(predictors).answers, ElementsAre(Optional(1)));
}

TEST(Vote, SharesAreVotesOverVoters) {
  const std::vector predictors{MatrixOf({{0.6, 0.4, 0}}), MatrixOf({{0.9, 0.1, 0}}), MatrixOf({{0, 0, 1}}), kSilent};
  EXPECT_TRUE(CombineByVote(predictors).shares.isApprox(MatrixOf({{2.0 / 3, 0, 1.0 / 3}})));
}

}  // namespace
}  // namespace tutti::ensemble
