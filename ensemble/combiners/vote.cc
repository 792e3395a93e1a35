#include <limits>

#include "ensemble/combiners.h"

namespace tutti::ensemble {
namespace {

// [samples, classes] whole numbers.
Matrix CountVotes(std::span<const Matrix> predictors) {
  Matrix votes = Matrix::Zero(predictors.front().rows(), predictors.front().cols());
  for (const Matrix& predictor : predictors) {
    const auto answers = Answers(predictor);
    for (size_t row = 0; row < answers.size(); ++row) {
      if (answers[row]) votes(static_cast<Eigen::Index>(row), *answers[row]) += 1;
    }
  }
  return votes;
}

int Winner(const Matrix& votes, const Matrix& mean, Eigen::Index row) {
  int winner = 0;
  for (int candidate = 1; candidate < static_cast<int>(votes.cols()); ++candidate) {
    const bool more_votes = votes(row, candidate) > votes(row, winner);
    const bool wins_tie = votes(row, candidate) == votes(row, winner) && mean(row, candidate) > mean(row, winner);
    if (more_votes || wins_tie) winner = candidate;
  }
  return winner;
}

}  // namespace

Combination CombineByVote(std::span<const Matrix> predictors) {
  TUTTI_CHECK(!predictors.empty());
  const Matrix mean = CombineByMean(predictors).shares;
  Combination combination{CountVotes(predictors), {}};
  combination.answers.resize(static_cast<size_t>(mean.rows()));
  for (Eigen::Index row = 0; row < mean.rows(); ++row) {
    if (!IsAnswered(mean, row)) {
      combination.shares.row(row).setConstant(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    combination.answers[static_cast<size_t>(row)] = Winner(combination.shares, mean, row);
    combination.shares.row(row) /= combination.shares.row(row).sum();
  }
  return combination;
}

}  // namespace tutti::ensemble
