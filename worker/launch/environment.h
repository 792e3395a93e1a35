// The environment that trainers and launchers start with, made before they are started.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/result.h"

namespace tutti::worker {

using Environment = std::map<std::string, std::string>;

Environment CurrentEnvironment();

// Takes out what an outer mpirun, srun or batch system told this process about itself: an inner mpirun, or an MPI
// program that starts alone, would take it for its own. The user's own settings for Open MPI (OMPI_MCA_*) stay. Where
// an outer mpirun has mixed its own among them, those do that say how other hosts are reached.
Environment WithoutOuterLaunch(Environment environment);

// What a trainer has of a machine.
struct SlotShare {
  int threads = 1;
  std::vector<int> cpus = {};  // to stay on; empty: any
  std::string gpu = {};        // as CUDA_VISIBLE_DEVICES names it; empty: none
};
// For a trainer that has this: it sees its GPU alone, or none. Idle OpenMP threads sleep: spinning ones starve the
// trainers beside them. What the user has set up for CUDA's Multi-Process Service stays.
Environment ForTrainer(Environment environment, const SlotShare& share);

// For mpirun, which asks root twice whether it is sure.
Environment ForLauncher(Environment environment);

// For srun within the job that this process is in: what tells of the job stays, what tells of the step and the rank
// that this process is goes, so that it is no wish for the new step.
Environment ForSrun(Environment environment);

// Looks `program` up in the environment's PATH; a path with a slash stays as it is. kNotFound.
Result<std::filesystem::path> FindProgram(const std::filesystem::path& program, const Environment& environment);

}  // namespace tutti::worker
