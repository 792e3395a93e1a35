// How sure a difference between two predictors is: the paired bootstrap (Efron and Tibshirani 1993, chapter 16) over
// the samples that both were asked.
#pragma once

#include <cstdint>
#include <vector>

#include "ensemble/predictions.h"

namespace tutti::ensemble {

struct BootstrapSettings {
  int resamples = 1000;
  double confidence = 0.95;
  uint64_t seed = 0;
};

// The mean difference and its percentile interval.
struct Interval {
  double difference = 0;
  double low = 0;
  double high = 0;
  bool operator==(const Interval&) const = default;
};

// `differences` [samples, comparisons]: what each sample costs the one predictor less what it costs the other. One
// interval a column; a resample draws the same samples for all columns. At least one sample, fewer than 2^32.
//
// The k-th draw of all (from 0) is sample ((SplitMix64(seed, k) >> 32) * samples) >> 32, where SplitMix64(seed, k) is
// the generator's k-th output (Steele et al. 2014): the same intervals with every library and on every machine.
// Percentiles are interpolated linearly between the resamples' means, as NumPy does by default.
std::vector<Interval> PairedIntervals(const Matrix& differences, const BootstrapSettings& settings = {});

}  // namespace tutti::ensemble
