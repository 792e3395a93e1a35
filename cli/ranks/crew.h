// `tutti run` and `tutti resume` as one of several ranks that mpirun or srun has started: they meet once through MPI,
// then rank 0 coordinates and every rank is a worker.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "cli/follow.h"
#include "cli/gangs.h"
#include "cli/local_cluster.h"
#include "cli/ranks/outer_launch.h"
#include "common/result.h"

namespace tutti::cli {

// What a launch is told on its command line.
struct CrewOptions {
  SlotOptions slots;  // of each rank
  core::Settings leases;
  std::optional<worker::Launcher> launcher;  // of gangs; none: what is there
  std::optional<network::Address> listen;    // for the others; none: where they reach rank 0, on a port that is free
};

// What all ranks together lend, for the one that coordinates.
struct Crew {
  ClusterOptions cluster = {};
  std::vector<Lender> lenders = {};  // none: the one of `cluster` is alone
  std::string summary = {};          // "3 ranks on 2 machines lend 6 slots"
};

// CheckGangsFit (gangs.h) for the one worker of a crew of one, or all of a larger one.
Result<void> CheckGangsFit(const spec::EnsembleSpec& spec, const Crew& crew);

// For TrainHere: sees that what still waits fits nothing that is left of the crew. Nothing to see for a crew of one.
LookAhead LookAheadFor(const spec::EnsembleSpec& spec, const Crew& crew);

// Rank 0's work: it asks for the crew when it needs one, at most once, and returns the exit code. Before the
// coordinator of that crew's cluster listens, nothing may be forked.
using Lead = std::function<int(const std::function<Result<Crew>()>& find_crew)>;

// Meets the others, and leads on rank 0; on all others lends what this rank has until rank 0's coordinator tells it to
// leave or is gone for good. When rank 0 ends before it listens, all end with its exit code, and it alone says why.
int RunAsRank(const OuterLaunch& launch, const CrewOptions& options, const Lead& lead);

}  // namespace tutti::cli
