// The jobs that an experiment is made of.
#pragma once

#include <vector>

#include "common/ids.h"
#include "common/records.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::spec {

inline constexpr const char* kInspectJob = ".inspect";  // its position is 0, those of the members begin with 1

// The ensemble's jobs as its experiment names them, in its order, the inspect job first. All of them wait.
std::vector<JobRecord> JobsOf(const EnsembleId& id, const EnsembleSpec& spec);

}  // namespace tutti::spec
