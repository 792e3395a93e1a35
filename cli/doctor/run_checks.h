// Runs checks so that none can hang the program: a dead file server holds whoever touches it.
#pragma once

#include <span>
#include <vector>

#include "cli/doctor/checks.h"
#include "common/clock.h"

namespace tutti::cli {

// Each check in a process of its own, all at once, in the order given. One that has not ended by the deadline, or that
// crashes, is a problem itself; it is killed, with what it started, and not waited for. To be called where no other
// thread runs.
std::vector<Finding> RunChecks(std::span<const Check> checks, const Surroundings& around, Duration deadline);

}  // namespace tutti::cli
