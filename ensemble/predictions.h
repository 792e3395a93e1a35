// What predictors say about samples, and how their logits become probabilities.
//
// A predictor answers a sample when its logits are numbers that softmax can turn into probabilities: none is NaN or
// +infinity, and not all are -infinity. Otherwise its row of probabilities is NaN: it gives no answer for that sample.
// Combiners leave such a row out; metrics count it as a wrong answer that was given with certainty (metrics.h).
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/result.h"

namespace tutti::ensemble {

using Logits = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;   // [samples, classes]
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // [samples, classes]

// One predictor's logits; row i is about the sample ids[i]. In any order.
struct Predictions {
  std::vector<int64_t> ids;
  Logits logits;
};

// The truth about the samples of a split: labels[i] in [0, classes) is that of the sample ids[i].
struct Labels {
  std::vector<int64_t> ids;
  std::vector<int64_t> labels;
};

// Row by row in double precision, each less its maximum first. A row without an answer is all NaN.
Matrix Softmax(const Logits& logits);

// Softmax of the predictions in the order of `ids`. Errors: kInvalid when the predictions do not cover exactly these
// samples once each, or ids and rows differ in number.
Result<Matrix> ProbabilitiesInOrder(const Predictions& predictions, std::span<const int64_t> ids);

// The class with the highest value in each row, the lowest such class at a tie; nothing for a row without an answer.
std::vector<std::optional<int>> Answers(const Matrix& probabilities);

// True when the row is one that a predictor answered.
inline bool IsAnswered(const Matrix& probabilities, Eigen::Index row) {
  return probabilities(row, 0) == probabilities(row, 0);
}

}  // namespace tutti::ensemble
