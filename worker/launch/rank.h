// `tutti rank ATTEMPT --socket PATH`: what mpirun starts for each rank of a gang. It asks the worker of its node for
// the task and the slot, runs the trainer as its child, and ends it when the worker closes the connection or dies.
#pragma once

#include <chrono>
#include <filesystem>

#include "common/clock.h"
#include "common/ids.h"
#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

struct RankOptions {
  AttemptId attempt;
  std::filesystem::path socket;  // of the worker
  Duration orders_deadline = std::chrono::seconds(30);
};

// Which rank the launcher says that this is: Open MPI, PMIx (srun --mpi=pmix), Slurm. kInvalid: none does.
Result<int> OwnRank(const Environment& environment);

// Says why there is no rank; returns the exit code for the process.
int RefuseRank(const AttemptId& attempt, const Error& why);

// Returns the exit code for the process: the trainer's (128 + signal for a signal's), 70 when there were no orders; the
// reason goes to stderr. To be called on the main thread of a program that has started no other: it takes the signals.
int RunRank(const RankOptions& options);

}  // namespace tutti::worker
