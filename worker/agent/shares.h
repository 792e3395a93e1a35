// How workers of one machine share it, so that none lends what another lends too. Pure.
#pragma once

#include <string>
#include <vector>

#include "worker/agent/device_choice.h"

namespace tutti::worker {

// What a process was given of its machine.
struct MachinePart {
  std::vector<int> cpus;
  std::vector<std::string> gpus;  // LentGpu::id
  bool operator==(const MachinePart&) const = default;
};
MachinePart PartOf(const Machine& machine);

// What one of them is to lend.
struct MachineShare {
  std::vector<int> cpus;
  int users_of_cpus = 1;  // processes that have these CPUs; where there are several, the kernel divides
  std::vector<std::string> gpus;
  bool operator==(const MachineShare&) const = default;
};

// Of the processes of one machine, in their order. Those that were given the very same CPUs, or GPUs, divide them: each
// gets as many that lie together; what the launcher gave apart stays with whom it was given to. Where there are fewer
// CPUs than processes all keep all of them; where there are fewer GPUs, the last processes have none.
std::vector<MachineShare> ShareOut(const std::vector<MachinePart>& given);

// The machine as that process may lend it: its share, and of memory and of the cgroup's quota one of `processes` parts.
Machine Narrowed(Machine machine, const MachineShare& share, int processes);

}  // namespace tutti::worker
