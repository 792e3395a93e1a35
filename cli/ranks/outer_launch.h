// How this process was started: alone, or by mpirun or srun as one of several ranks. Pure.
#pragma once

#include <optional>

#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::cli {

// What becomes of the other ranks when one dies, as far as the environment tells.
enum class LossOfARank { kUnknown, kIsSurvived, kEndsAll };

struct OuterLaunch {
  int size = 1;
  int rank = 0;
  int local_rank = 0;  // among those of its node
  LossOfARank loss = LossOfARank::kUnknown;

  bool operator==(const OuterLaunch&) const = default;
};

// Nothing where no launcher has started this process, or it alone. kInvalid: the launcher has started several and gives
// them no way to meet, or speaks in riddles; says what to do.
Result<std::optional<OuterLaunch>> FindOuterLaunch(const worker::Environment& environment);

// Whether another rank of the same launch says what this one would: for mistakes that all of them see alike.
bool IsFollowingRank(const worker::Environment& environment);

}  // namespace tutti::cli
