// Which samples train, which validate, which calibrate and which test. Pure: the same inputs give the same split on
// every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::server {

// Sample ids, each list rising. No id is in two of them.
struct SplitIds {
  std::vector<int64_t> training;
  std::vector<int64_t> validation;
  std::vector<int64_t> calibration;
  std::vector<int64_t> test;
  bool operator==(const SplitIds&) const = default;
};

// A source's ids are 0 to training_samples - 1 for its training part, then test_samples more for its own test part.
// Validation, calibration and a test split that is a count are drawn from the training part, in this order, from one
// permutation of it that `data.split_seed` decides: asking for a calibration split later leaves validation as it was.
// Errors: kInvalid when a part is empty that was asked for, or when no sample is left to train on.
Result<SplitIds> DrawSplit(int64_t training_samples, int64_t test_samples, const spec::DataSpec& data);

// The numbers 0 to count - 1 in an order drawn from `seed`: Fisher-Yates with SplitMix64 (Steele et al. 2014), written
// out because the standard library's shuffles differ from one to the next.
std::vector<int64_t> Permutation(int64_t count, int64_t seed);

}  // namespace tutti::server
