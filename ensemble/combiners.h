// Rules that make one answer of many. A new one is a file in combiners/ and a line in combiners.cc.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "ensemble/predictions.h"

namespace tutti::ensemble {

// What a combiner makes of its predictors.
struct Combination {
  // [samples, classes]; each row sums to one, or is NaN where no predictor answers.
  Matrix shares;
  std::vector<std::optional<int>> answers;  // by sample; nothing where no predictor answers
};

struct Combiner {
  // Whether the shares are probabilities, for which likelihood and calibration mean something, or only counts.
  enum class Shares { kProbabilities, kCounts };

  std::string_view name;  // as the experiment file says it
  Shares shares;
  // From at least one predictor's probabilities (Softmax), all of the same shape.
  Combination (*combine)(std::span<const Matrix> predictors);
};

// All of them, in the order in which reports show them.
std::span<const Combiner> Combiners();

// kInvalid for an unknown name, with those that there are.
Result<const Combiner*> FindCombiner(std::string_view name);

// The mean of the probabilities of those predictors that answer the sample.
Combination CombineByMean(std::span<const Matrix> predictors);

// Each predictor that answers the sample has one vote for its most probable class (Answers); most votes win, a tie goes
// to the tied class with the highest mean probability, then to the lowest class. Shares are votes divided by voters.
Combination CombineByVote(std::span<const Matrix> predictors);

}  // namespace tutti::ensemble
