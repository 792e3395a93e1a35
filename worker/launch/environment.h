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
// program that starts alone, would take it for its own. The user's own settings for Open MPI (OMPI_MCA_*) stay, unless
// an outer mpirun has mixed its own among them.
Environment WithoutOuterLaunch(Environment environment);

// For a trainer of `threads` CPU threads. Idle OpenMP threads sleep: spinning ones starve the trainers beside them.
Environment ForTrainer(Environment environment, int threads);

// For a trainer that is to see one GPU, named as CUDA_VISIBLE_DEVICES does, or none: empty. What the user has set up
// for CUDA's Multi-Process Service stays.
Environment ForGpu(Environment environment, const std::string& gpu);

// For mpirun, which asks root twice whether it is sure.
Environment ForLauncher(Environment environment);

// Looks `program` up in the environment's PATH; a path with a slash stays as it is. kNotFound.
Result<std::filesystem::path> FindProgram(const std::filesystem::path& program, const Environment& environment);

}  // namespace tutti::worker
