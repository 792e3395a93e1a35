#include "ensemble/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/random.h"

namespace tutti::ensemble {
namespace {

class Draws {
 public:
  Draws(uint64_t seed, uint64_t samples) : random_(seed), samples_(samples) {}

  uint64_t Next() { return ((random_.Next() >> 32) * samples_) >> 32; }

 private:
  SplitMix64 random_;
  uint64_t samples_;
};

// [resamples, comparisons] means.
Matrix ResampledMeans(const Matrix& differences, const BootstrapSettings& settings) {
  const Eigen::Index samples = differences.rows();
  Draws draws(settings.seed, static_cast<uint64_t>(samples));
  Matrix means = Matrix::Zero(settings.resamples, differences.cols());
  for (Eigen::Index resample = 0; resample < means.rows(); ++resample) {
    for (Eigen::Index i = 0; i < samples; ++i) {
      means.row(resample) += differences.row(static_cast<Eigen::Index>(draws.Next()));
    }
  }
  return means / static_cast<double>(samples);
}

double Percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

}  // namespace

std::vector<Interval> PairedIntervals(const Matrix& differences, const BootstrapSettings& settings) {
  TUTTI_CHECK(differences.rows() > 0 && differences.rows() <= std::numeric_limits<uint32_t>::max());
  TUTTI_CHECK(settings.resamples > 0);
  const Matrix means = ResampledMeans(differences, settings);
  const double tail = (1 - settings.confidence) / 2;
  std::vector<Interval> intervals;
  for (Eigen::Index column = 0; column < differences.cols(); ++column) {
    std::vector<double> sorted(means.col(column).begin(), means.col(column).end());
    std::sort(sorted.begin(), sorted.end());
    intervals.push_back({differences.col(column).mean(), Percentile(sorted, tail), Percentile(sorted, 1 - tail)});
  }
  return intervals;
}

}  // namespace tutti::ensemble
