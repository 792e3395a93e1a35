// Options of commands that a launcher may start as several ranks: `tutti run` and `tutti resume`.
#pragma once

#include <optional>
#include <string>

#include "cli/command_line.h"
#include "cli/lease_options.h"
#include "cli/ranks/crew.h"

namespace tutti::cli {

struct LaunchOptions {
  std::string launcher = "auto";  // auto, local, mpirun, srun
  std::optional<std::string> listen;
  LeaseOptions leases;

  void AddTo(CLI::App& command);

  // Trains alone, or as one rank of several where a launcher has started this process as such: `lead` does the work
  // with the slots that there are. Returns the exit code.
  int Run(const SlotOptions& slots, const Lead& lead) const;
};

}  // namespace tutti::cli
