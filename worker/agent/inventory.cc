#include "worker/agent/inventory.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace tutti::worker {
namespace {

std::vector<int> AllowedCpus() {
  // Machines with more CPUs than a cpu_set_t holds are refused by the kernel: then the set must grow.
  for (int capacity = CPU_SETSIZE; capacity <= 64 * CPU_SETSIZE; capacity *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(capacity));
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(capacity));
    std::vector<int> cpus;
    const bool known = ::sched_getaffinity(0, bytes, set) == 0;
    for (int cpu = 0; known && cpu < capacity; ++cpu) {
      if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set)) cpus.push_back(cpu);
    }
    CPU_FREE(set);
    if (known) return cpus;
  }
  return {0};
}

// This process's cgroup of version 2, relative to the root of its namespace.
std::optional<std::filesystem::path> OwnCgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return std::nullopt;
}

std::vector<std::string> ReadQuotas() {
  std::vector<std::string> result;
  const std::optional<std::filesystem::path> own = OwnCgroup();
  if (!own) return result;
  std::filesystem::path group = *own;
  while (true) {
    std::ifstream file("/sys/fs/cgroup" / group / "cpu.max");
    if (std::string line; std::getline(file, line)) result.push_back(line);
    if (group.empty()) return result;
    group = group.parent_path();
  }
}

// "QUOTA PERIOD" in microseconds; "max PERIOD" is no limit.
std::optional<int> CpusOfQuota(const std::string& text) {
  std::istringstream stream(text);
  double quota = 0, period = 0;
  if (!(stream >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return std::max(1, static_cast<int>(std::min(quota / period, 1e6)));
}

std::optional<int> CpusOfSlurm(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::istringstream stream(*text);
  int cpus = 0;
  if (!(stream >> cpus) || cpus < 1) return std::nullopt;
  return cpus;
}

int UsableCpus(const CpuLimits& limits) {
  int usable = std::max(1, static_cast<int>(limits.affinity.size()));
  for (const std::string& quota : limits.cgroup_quotas) usable = std::min(usable, CpusOfQuota(quota).value_or(usable));
  return std::min(usable, CpusOfSlurm(limits.slurm_cpus_per_task).value_or(usable));
}

}  // namespace

std::vector<int> Inventory::CpusOf(int slot) const {
  const int count = static_cast<int>(cpus.size());
  if (slots < 2 || slot < 0 || slot >= slots || count < slots * threads_per_slot) return {};
  const auto begin_of = [&](int number) { return cpus.begin() + static_cast<ptrdiff_t>(count) * number / slots; };
  return {begin_of(slot), begin_of(slot + 1)};
}

CpuLimits ReadCpuLimits() {
  CpuLimits limits{AllowedCpus(), ReadQuotas(), std::nullopt};
  if (const char* cpus = std::getenv("SLURM_CPUS_PER_TASK")) limits.slurm_cpus_per_task = cpus;
  return limits;
}

Result<Inventory> TakeInventory(const CpuLimits& limits, const InventoryOptions& options) {
  if (options.threads_per_slot < 1) {
    return Fail(ErrorCode::kInvalid, "a slot needs at least 1 thread, not {}", options.threads_per_slot);
  }
  if (options.slots && *options.slots < 1) {
    return Fail(ErrorCode::kInvalid, "a worker needs at least 1 slot, not {}", *options.slots);
  }
  Inventory inventory;
  inventory.cpus = limits.affinity;
  inventory.usable_cpus = UsableCpus(limits);
  inventory.threads_per_slot = options.threads_per_slot;
  inventory.slots = options.slots.value_or(std::max(1, inventory.usable_cpus / options.threads_per_slot));
  return inventory;
}

}  // namespace tutti::worker
