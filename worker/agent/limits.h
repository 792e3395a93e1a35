// What limits the CPUs and the memory of this process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tutti::worker {

// Plain data, so that tests need no cgroup of their own.
struct CpuLimits {
  std::vector<int> affinity;  // sched_getaffinity
  std::vector<std::string>
      cgroup_quotas;  // contents of cpu.max from this cgroup up to the root: "200000 100000", "max 100000"
  std::optional<std::string> slurm_cpus_per_task;  // SLURM_CPUS_PER_TASK, else SLURM_CPUS_ON_NODE
  uint64_t memory_bytes = 0;                       // the least of the machine's and its cgroups'; 0: unknown
};
CpuLimits ReadCpuLimits();

// Of the affinity, as many as the quotas and Slurm leave; at least 1.
int UsableCpus(const CpuLimits& limits);

}  // namespace tutti::worker
