// What starts the ranks of a gang, and how far it reaches.
#pragma once

#include <optional>
#include <string_view>

#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

// kLocal: mpirun, on the leader's machine alone. kMpirun: mpirun, which starts what it needs on other machines through
// ssh. kSrun: srun, within the Slurm job that the workers are in.
enum class Launcher { kLocal, kMpirun, kSrun };

std::string_view Name(Launcher launcher);  // "local", "mpirun", "srun"
// kInvalid: none of these.
Result<Launcher> ParseLauncher(std::string_view text);

// What `environment` has for workers on one machine, or on several. The first that serves of: local, where all are on
// one machine; srun, in a Slurm job; mpirun; local. With `asked` that one. kNotFound: what was asked for is not there.
Result<Launcher> ChooseLauncher(std::optional<Launcher> asked, const Environment& environment, int machines);

}  // namespace tutti::worker
