#include "ensemble/predictions.h"

#include <cmath>
#include <limits>
#include <unordered_map>

namespace tutti::ensemble {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool CanBeSoftmaxed(const Logits& logits, Eigen::Index row) {
  bool some_finite = false;
  for (Eigen::Index column = 0; column < logits.cols(); ++column) {
    const float logit = logits(row, column);
    if (std::isnan(logit) || logit == std::numeric_limits<float>::infinity()) return false;
    some_finite = some_finite || std::isfinite(logit);
  }
  return some_finite;
}

Result<std::unordered_map<int64_t, Eigen::Index>> RowsById(const std::vector<int64_t>& ids) {
  std::unordered_map<int64_t, Eigen::Index> rows;
  rows.reserve(ids.size());
  for (size_t row = 0; row < ids.size(); ++row) {
    if (!rows.emplace(ids[row], static_cast<Eigen::Index>(row)).second) {
      return Fail(ErrorCode::kInvalid, "sample {} is predicted twice", ids[row]);
    }
  }
  return rows;
}

}  // namespace

Matrix Softmax(const Logits& logits) {
  Matrix probabilities(logits.rows(), logits.cols());
  for (Eigen::Index row = 0; row < logits.rows(); ++row) {
    if (!CanBeSoftmaxed(logits, row)) {
      probabilities.row(row).setConstant(kNaN);
      continue;
    }
    const Eigen::RowVectorXd shifted = logits.row(row).cast<double>().array() - double{logits.row(row).maxCoeff()};
    // std::exp and not Eigen's: the vectorised one depends on the machine's instructions and does not give exactly 0
    // for -infinity.
    probabilities.row(row) = shifted.unaryExpr([](double value) { return std::exp(value); });
    probabilities.row(row) /= probabilities.row(row).sum();
  }
  return probabilities;
}

Result<Matrix> ProbabilitiesInOrder(const Predictions& predictions, std::span<const int64_t> ids) {
  if (static_cast<Eigen::Index>(predictions.ids.size()) != predictions.logits.rows()) {
    return Fail(ErrorCode::kInvalid, "{} sample ids beside {} rows of logits", predictions.ids.size(),
                predictions.logits.rows());
  }
  TUTTI_ASSIGN_OR_RETURN(const auto rows, RowsById(predictions.ids));
  std::vector<bool> used(rows.size());
  Logits ordered(static_cast<Eigen::Index>(ids.size()), predictions.logits.cols());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto found = rows.find(ids[i]);
    if (found == rows.end()) return Fail(ErrorCode::kInvalid, "sample {} is not predicted", ids[i]);
    if (used[static_cast<size_t>(found->second)]) {
      return Fail(ErrorCode::kInvalid, "sample {} is in the split twice", ids[i]);
    }
    used[static_cast<size_t>(found->second)] = true;
    ordered.row(static_cast<Eigen::Index>(i)) = predictions.logits.row(found->second);
  }
  if (rows.size() != ids.size()) {
    return Fail(ErrorCode::kInvalid, "{} samples are predicted, the split has {}", rows.size(), ids.size());
  }
  return Softmax(ordered);
}

std::vector<std::optional<int>> Answers(const Matrix& probabilities) {
  std::vector<std::optional<int>> answers(static_cast<size_t>(probabilities.rows()));
  for (Eigen::Index row = 0; row < probabilities.rows(); ++row) {
    if (!IsAnswered(probabilities, row)) continue;
    int best = 0;
    for (int column = 1; column < static_cast<int>(probabilities.cols()); ++column) {
      if (probabilities(row, column) > probabilities(row, best)) best = column;
    }
    answers[static_cast<size_t>(row)] = best;
  }
  return answers;
}

}  // namespace tutti::ensemble
