// What this machine lends: the CPUs that this process may use, cut into slots.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"

namespace tutti::worker {

struct Inventory {
  std::vector<int> cpus;  // allowed by affinity, rising
  int usable_cpus = 1;    // of those, as many as the cgroup's quota and Slurm leave; at least 1
  int slots = 1;
  int threads_per_slot = 1;

  // The CPUs of one slot: an even share of all of them, so that no CPU idles because it belongs to no slot. Empty when
  // there are fewer CPUs than the slots' threads: then the kernel decides.
  std::vector<int> CpusOf(int slot) const;
};

// What limits the CPUs of this process. Plain data, so that tests need no cgroup of their own.
struct CpuLimits {
  std::vector<int> affinity;  // sched_getaffinity
  std::vector<std::string>
      cgroup_quotas;  // contents of cpu.max from this cgroup up to the root: "200000 100000", "max 100000"
  std::optional<std::string> slurm_cpus_per_task;  // SLURM_CPUS_PER_TASK
};
CpuLimits ReadCpuLimits();

struct InventoryOptions {
  std::optional<int> slots;  // default: usable CPUs / threads_per_slot, at least 1
  int threads_per_slot = 1;
};
// kInvalid: slots or threads below 1.
Result<Inventory> TakeInventory(const CpuLimits& limits, const InventoryOptions& options);

}  // namespace tutti::worker
