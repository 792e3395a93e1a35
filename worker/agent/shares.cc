#include "worker/agent/shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tutti::worker {
namespace {

// Of those that have the same, which one is this.
struct Place {
  size_t index = 0;
  size_t of = 1;
};

template <typename Items>
Place PlaceAmongEquals(const std::vector<MachinePart>& given, size_t own, Items MachinePart::*items) {
  Place place{.index = 0, .of = 0};
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].*items != given[own].*items) continue;
    if (i < own) ++place.index;
    ++place.of;
  }
  return place;
}

template <typename Items>
Items PieceOf(const Items& whole, const Place& place) {
  const auto begin_of = [&](size_t index) {
    return whole.begin() + static_cast<ptrdiff_t>(whole.size() * index / place.of);
  };
  return Items(begin_of(place.index), begin_of(place.index + 1));
}

// Everybody gets one before anybody gets two.
std::vector<std::string> PieceOfGpus(const std::vector<std::string>& whole, const Place& place) {
  if (whole.size() >= place.of) return PieceOf(whole, place);
  if (place.index >= whole.size()) return {};
  return {whole[place.index]};
}

}  // namespace

MachinePart PartOf(const Machine& machine) {
  MachinePart part{machine.limits.affinity, {}};
  for (const LentGpu& gpu : machine.gpus) part.gpus.push_back(gpu.id);
  return part;
}

std::vector<MachineShare> ShareOut(const std::vector<MachinePart>& given) {
  std::vector<MachineShare> shares;
  for (size_t own = 0; own < given.size(); ++own) {
    MachineShare share;
    const Place place = PlaceAmongEquals(given, own, &MachinePart::cpus);
    const bool enough = given[own].cpus.size() >= place.of;
    share.cpus = enough ? PieceOf(given[own].cpus, place) : given[own].cpus;
    share.users_of_cpus = enough ? 1 : static_cast<int>(place.of);
    share.gpus = PieceOfGpus(given[own].gpus, PlaceAmongEquals(given, own, &MachinePart::gpus));
    shares.push_back(std::move(share));
  }
  return shares;
}

Machine Narrowed(Machine machine, const MachineShare& share, int processes) {
  CpuLimits& limits = machine.limits;
  CpuLimits quota = limits;
  quota.slurm_cpus_per_task.reset();  // which is of each task
  const int quota_leaves = std::max(1, UsableCpus(quota) / processes);
  const bool quota_binds = UsableCpus(quota) < static_cast<int>(limits.affinity.size());
  const int has = std::max(1, static_cast<int>(share.cpus.size()) / share.users_of_cpus);
  limits.affinity = share.cpus;
  limits.cgroup_quotas = {fmt::format("{} 1", quota_binds ? std::min(has, quota_leaves) : has)};
  limits.memory_bytes /= static_cast<uint64_t>(processes);
  const std::set<std::string> own(share.gpus.begin(), share.gpus.end());
  std::erase_if(machine.gpus, [&](const LentGpu& gpu) { return !own.contains(gpu.id); });
  return machine;
}

}  // namespace tutti::worker
