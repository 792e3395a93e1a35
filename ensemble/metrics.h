// How good answers are, against the truth.
//
// Every metric is a mean over samples (ECE apart), so classes that no sample has change nothing. A sample that a
// predictor does not answer counts as a wrong answer given with certainty: accuracy 0, the largest NLL that clipping
// allows, Brier 2, confidence 1. So no metric is ever NaN, and a predictor that breaks never looks good.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ensemble/combiners.h"
#include "ensemble/predictions.h"

namespace tutti::ensemble {

// NLL takes the probability of the true class as at least this, so that one sure mistake costs 34.5 and not infinity
// (the bound that scikit-learn's log_loss long had).
inline constexpr double kSmallestProbability = 1e-15;

inline constexpr int kCalibrationBins = 15;

struct Metrics {
  double accuracy = 0;          // share of samples whose answer is the truth
  std::optional<double> nll;    // mean of -ln(probability of the truth), clipped as above
  std::optional<double> brier;  // mean over samples of the sum over classes of (probability - truth)^2: 0 to 2
  // Expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599): samples in 15 bins of equal width
  // by confidence, ((m-1)/15, m/15]; the mean distance of accuracy and confidence in a bin, weighted by its samples.
  std::optional<double> ece;
  int64_t unanswered = 0;  // samples without an answer
  bool operator==(const Metrics&) const = default;
};

// What each sample costs; a metric is the mean of its column. All of one length.
struct SampleLosses {
  std::vector<double> correct;  // 1 or 0
  std::vector<double> nll;      // empty where shares are no probabilities
  std::vector<double> brier;    // the same
};

// Labels in the order of the rows, each in [0, classes).
SampleLosses LossesOf(const Matrix& probabilities, std::span<const int64_t> labels);
SampleLosses LossesOf(const Combination& combination, Combiner::Shares kind, std::span<const int64_t> labels);

double ExpectedCalibrationError(const Matrix& probabilities, std::span<const int64_t> labels);

// At least one sample.
Metrics MetricsOf(const Matrix& probabilities, std::span<const int64_t> labels);
// NLL, Brier and ECE only where the shares are probabilities.
Metrics MetricsOf(const Combination& combination, Combiner::Shares kind, std::span<const int64_t> labels);

}  // namespace tutti::ensemble
