#include "worker/agent/inventory.h"

#include <algorithm>
#include <utility>

namespace tutti::worker {
namespace {

Result<void> CheckOptions(const InventoryOptions& options) {
  if (options.threads_per_slot.value_or(1) < 1) {
    return Fail(ErrorCode::kInvalid, "a slot needs at least 1 thread, not {}", *options.threads_per_slot);
  }
  if (options.slots.value_or(1) < 1) {
    return Fail(ErrorCode::kInvalid, "a worker needs at least 1 slot, not {}", *options.slots);
  }
  if (options.slots_per_gpu.value_or(1) < 1) {
    return Fail(ErrorCode::kInvalid, "a GPU needs at least 1 slot, not {}", *options.slots_per_gpu);
  }
  return {};
}

// The least that a GPU has; 0 when one does not tell.
uint64_t LeastMemory(const std::vector<LentGpu>& gpus) {
  return std::ranges::min(gpus, {}, &LentGpu::memory_bytes).memory_bytes;
}

void CutCpus(const CpuLimits& limits, const InventoryOptions& options, Inventory& inventory) {
  inventory.threads_per_slot = options.threads_per_slot.value_or(1);
  inventory.slots = options.slots.value_or(std::max(1, inventory.usable_cpus / inventory.threads_per_slot));
  inventory.slot_memory_bytes = limits.memory_bytes / static_cast<uint64_t>(inventory.slots);
}

Result<void> CutGpus(const InventoryOptions& options, std::vector<LentGpu> gpus, Inventory& inventory) {
  const int slots_per_gpu = options.slots_per_gpu.value_or(1);
  const int most = static_cast<int>(gpus.size()) * slots_per_gpu;
  inventory.slots = options.slots.value_or(most);
  if (inventory.slots > most) {
    return Fail(ErrorCode::kInvalid,
                "{} slots are asked for, and {} with {} on each have {}: ask for fewer, for more of each GPU with "
                "--slots-per-gpu, or for slots of CPU threads with --device cpu",
                inventory.slots, Describe(gpus), slots_per_gpu, most);
  }
  inventory.threads_per_slot = options.threads_per_slot.value_or(std::max(1, inventory.usable_cpus / inventory.slots));
  inventory.slot_memory_bytes = LeastMemory(gpus) / static_cast<uint64_t>(slots_per_gpu);
  inventory.gpus = std::move(gpus);
  return {};
}

}  // namespace

std::vector<int> Inventory::CpusOf(int slot) const {
  const int count = static_cast<int>(cpus.size());
  if (slots < 2 || slot < 0 || slot >= slots || count < slots * threads_per_slot) return {};
  const auto begin_of = [&](int number) { return cpus.begin() + static_cast<ptrdiff_t>(count) * number / slots; };
  return {begin_of(slot), begin_of(slot + 1)};
}

std::string Inventory::GpuOf(int slot) const {
  if (gpus.empty() || slot < 0) return "";
  return gpus[static_cast<size_t>(slot) % gpus.size()].id;
}

Result<Inventory> TakeInventory(const CpuLimits& limits, const InventoryOptions& options, std::vector<LentGpu> gpus) {
  TUTTI_RETURN_IF_ERROR(CheckOptions(options));
  if (gpus.empty() && options.slots_per_gpu) {
    return Fail(ErrorCode::kInvalid, "--slots-per-gpu is for GPUs, and none is lent here");
  }
  Inventory inventory;
  inventory.cpus = limits.affinity;
  inventory.usable_cpus = UsableCpus(limits);
  if (gpus.empty()) {
    CutCpus(limits, options, inventory);
  } else {
    TUTTI_RETURN_IF_ERROR(CutGpus(options, std::move(gpus), inventory));
  }
  return inventory;
}

}  // namespace tutti::worker
