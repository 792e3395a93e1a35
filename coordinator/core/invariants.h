// What must hold after every event. Internal.
#pragma once

#include "coordinator/core/state.h"

namespace tutti::core {

// Aborts (TUTTI_CHECK) where it does not.
void CheckState(const State& state);

}  // namespace tutti::core
