#include "ensemble/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace tutti::ensemble {
namespace {

constexpr double kWorstBrier = 2;

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> CorrectnessOf(const std::vector<std::optional<int>>& answers, std::span<const int64_t> labels) {
  TUTTI_CHECK(answers.size() == labels.size());
  std::vector<double> correct(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) correct[i] = answers[i] && *answers[i] == labels[i] ? 1 : 0;
  return correct;
}

std::vector<double> NllOf(const Matrix& probabilities, std::span<const int64_t> labels) {
  std::vector<double> nll(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    const double probability = probabilities(static_cast<Eigen::Index>(i), labels[i]);
    // Compared this way round, NaN takes the bound too.
    nll[i] = -std::log(probability > kSmallestProbability ? probability : kSmallestProbability);
  }
  return nll;
}

std::vector<double> BrierOf(const Matrix& probabilities, std::span<const int64_t> labels) {
  std::vector<double> brier(labels.size(), kWorstBrier);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    if (!IsAnswered(probabilities, row)) continue;
    const double of_truth = probabilities(row, labels[i]);
    const double of_others = std::max(0.0, probabilities.row(row).squaredNorm() - of_truth * of_truth);
    brier[i] = of_others + (1 - of_truth) * (1 - of_truth);
  }
  return brier;
}

size_t BinOf(double confidence) {
  const int bin = static_cast<int>(std::ceil(confidence * kCalibrationBins)) - 1;
  return static_cast<size_t>(std::clamp(bin, 0, kCalibrationBins - 1));
}

int64_t CountUnanswered(const std::vector<std::optional<int>>& answers) {
  return std::count(answers.begin(), answers.end(), std::nullopt);
}

}  // namespace

SampleLosses LossesOf(const Matrix& probabilities, std::span<const int64_t> labels) {
  return {CorrectnessOf(Answers(probabilities), labels), NllOf(probabilities, labels), BrierOf(probabilities, labels)};
}

SampleLosses LossesOf(const Combination& combination, Combiner::Shares kind, std::span<const int64_t> labels) {
  SampleLosses losses;
  losses.correct = CorrectnessOf(combination.answers, labels);
  if (kind == Combiner::Shares::kProbabilities) {
    losses.nll = NllOf(combination.shares, labels);
    losses.brier = BrierOf(combination.shares, labels);
  }
  return losses;
}

double ExpectedCalibrationError(const Matrix& probabilities, std::span<const int64_t> labels) {
  const auto answers = Answers(probabilities);
  // Of each bin: the sum of (correct - confidence) over its samples.
  std::array<double, kCalibrationBins> gaps{};
  for (size_t i = 0; i < labels.size(); ++i) {
    const double confidence = answers[i] ? probabilities(static_cast<Eigen::Index>(i), *answers[i]) : 1;
    const double correct = answers[i] && *answers[i] == labels[i] ? 1 : 0;
    gaps[BinOf(confidence)] += correct - confidence;
  }
  const double sum =
      std::accumulate(gaps.begin(), gaps.end(), 0.0, [](double total, double gap) { return total + std::abs(gap); });
  return sum / static_cast<double>(labels.size());
}

Metrics MetricsOf(const Matrix& probabilities, std::span<const int64_t> labels) {
  return MetricsOf(Combination{probabilities, Answers(probabilities)}, Combiner::Shares::kProbabilities, labels);
}

Metrics MetricsOf(const Combination& combination, Combiner::Shares kind, std::span<const int64_t> labels) {
  TUTTI_CHECK(!labels.empty());
  const SampleLosses losses = LossesOf(combination, kind, labels);
  Metrics metrics;
  metrics.accuracy = Mean(losses.correct);
  metrics.unanswered = CountUnanswered(combination.answers);
  if (kind == Combiner::Shares::kProbabilities) {
    metrics.nll = Mean(losses.nll);
    metrics.brier = Mean(losses.brier);
    metrics.ece = ExpectedCalibrationError(combination.shares, labels);
  }
  return metrics;
}

}  // namespace tutti::ensemble
