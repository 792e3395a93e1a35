// Small inputs, written as tables.
#pragma once

#include <initializer_list>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "ensemble/predictions.h"

namespace tutti::ensemble {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename Table, typename Scalar>
Table TableOf(std::initializer_list<std::initializer_list<Scalar>> rows) {
  Table table(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.begin()->size()));
  Eigen::Index row = 0;
  for (const auto& values : rows) {
    Eigen::Index column = 0;
    for (const Scalar value : values) table(row, column++) = value;
    ++row;
  }
  return table;
}
inline Matrix MatrixOf(std::initializer_list<std::initializer_list<double>> rows) { return TableOf<Matrix>(rows); }
inline Logits LogitsOf(std::initializer_list<std::initializer_list<float>> rows) { return TableOf<Logits>(rows); }

// Of the samples 0, 1, ...
inline Predictions PredictionsOf(Logits logits) {
  std::vector<int64_t> ids(static_cast<size_t>(logits.rows()));
  std::iota(ids.begin(), ids.end(), 0);
  return {std::move(ids), std::move(logits)};
}
inline Labels LabelsOf(std::vector<int64_t> labels) {
  std::vector<int64_t> ids(labels.size());
  std::iota(ids.begin(), ids.end(), 0);
  return {std::move(ids), std::move(labels)};
}

}  // namespace tutti::ensemble
