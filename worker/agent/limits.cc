#include "worker/agent/limits.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
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

// The first lines of a file of this cgroup and of all above it, up to the root.
std::vector<std::string> ReadUpwards(const char* name) {
  std::vector<std::string> result;
  const std::optional<std::filesystem::path> own = OwnCgroup();
  if (!own) return result;
  std::filesystem::path group = *own;
  while (true) {
    std::ifstream file("/sys/fs/cgroup" / group / name);
    if (std::string line; std::getline(file, line)) result.push_back(line);
    if (group.empty()) return result;
    group = group.parent_path();
  }
}

// "MemTotal:       32780536 kB"
uint64_t MachineMemory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t kibibytes = 0;
  return file >> key >> kibibytes && key == "MemTotal:" ? kibibytes << 10 : 0;
}

uint64_t UsableMemory() {
  uint64_t usable = MachineMemory();
  for (const std::string& line : ReadUpwards("memory.max")) {
    std::istringstream stream(line);
    uint64_t limit = 0;
    if (stream >> limit && limit > 0 && limit < usable) usable = limit;  // "max" is no limit
  }
  return usable;
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

}  // namespace

int UsableCpus(const CpuLimits& limits) {
  int usable = std::max(1, static_cast<int>(limits.affinity.size()));
  for (const std::string& quota : limits.cgroup_quotas) usable = std::min(usable, CpusOfQuota(quota).value_or(usable));
  return std::min(usable, CpusOfSlurm(limits.slurm_cpus_per_task).value_or(usable));
}

CpuLimits ReadCpuLimits() {
  CpuLimits limits{AllowedCpus(), ReadUpwards("cpu.max"), std::nullopt, UsableMemory()};
  for (const char* name : {"SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"}) {
    const char* cpus = std::getenv(name);
    if (cpus != nullptr && !limits.slurm_cpus_per_task) limits.slurm_cpus_per_task = cpus;
  }
  return limits;
}

}  // namespace tutti::worker
