// Which checkpoints of a member are let go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/ids.h"

namespace tutti::core {

struct RetentionInput {
  AttemptId attempt;
  int64_t step = 0;
  std::optional<double> validation_loss;
  bool pinned = false;  // a predictor or a running attempt uses it
};

// Indexes, rising, of those that go: all but the `keep` newest (at least one), the best by validation loss (a NaN is
// never the best; of equal ones the newest) and the pinned ones. Over all attempts of a member, in any order: a later
// attempt's checkpoint is newer whatever its step. Pure.
std::vector<size_t> ChooseForDeletion(const std::vector<RetentionInput>& checkpoints, int keep);

}  // namespace tutti::core
