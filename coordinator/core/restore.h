// The state that records tell. Internal.
#pragma once

#include "coordinator/core/state.h"

namespace tutti::core {

// Fills an empty state; what must be persisted or done because of it goes to `turn`.
void RestoreFrom(State& state, Turn& turn, Records records);

}  // namespace tutti::core
