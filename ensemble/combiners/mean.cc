#include <limits>

#include "ensemble/combiners.h"

namespace tutti::ensemble {

Combination CombineByMean(std::span<const Matrix> predictors) {
  TUTTI_CHECK(!predictors.empty());
  Matrix sum = Matrix::Zero(predictors.front().rows(), predictors.front().cols());
  Eigen::VectorXd answering = Eigen::VectorXd::Zero(sum.rows());
  for (const Matrix& predictor : predictors) {
    TUTTI_CHECK(predictor.rows() == sum.rows() && predictor.cols() == sum.cols());
    for (Eigen::Index row = 0; row < sum.rows(); ++row) {
      if (!IsAnswered(predictor, row)) continue;
      sum.row(row) += predictor.row(row);
      answering(row) += 1;
    }
  }
  for (Eigen::Index row = 0; row < sum.rows(); ++row) {
    if (answering(row) == 0)
      sum.row(row).setConstant(std::numeric_limits<double>::quiet_NaN());
    else
      sum.row(row) /= answering(row);
  }
  auto answers = Answers(sum);
  return {std::move(sum), std::move(answers)};
}

}  // namespace tutti::ensemble
