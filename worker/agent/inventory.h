// What this machine lends: GPUs with a share of the CPUs each, or the CPUs alone, cut into slots.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "worker/agent/gpus.h"
#include "worker/agent/limits.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

struct Inventory {
  std::vector<int> cpus;  // allowed by affinity, rising
  int usable_cpus = 1;    // of those, as many as the cgroup's quota and Slurm leave; at least 1
  int slots = 1;
  int threads_per_slot = 1;
  std::vector<LentGpu> gpus;       // empty: the slots are CPU threads alone
  uint64_t slot_memory_bytes = 0;  // of the device, that each slot has at least; 0: unknown

  // "cpu", "cuda"
  std::string_view device() const { return gpus.empty() ? "cpu" : "cuda"; }

  // The CPUs of one slot: an even share of all of them, so that no CPU idles because it belongs to no slot. Empty when
  // there are fewer CPUs than the slots' threads: then the kernel decides.
  std::vector<int> CpusOf(int slot) const;
  // As CUDA_VISIBLE_DEVICES names the slot's GPU; empty where it has none. Slots that share a GPU are as far apart as
  // can be: members come to GPUs that idle before they share one.
  std::string GpuOf(int slot) const;
  // What its trainer is started with.
  SlotShare ShareOf(int slot) const { return {threads_per_slot, CpusOf(slot), GpuOf(slot)}; }
};

struct InventoryOptions {
  std::optional<int> slots = {};             // default: as many as there are
  std::optional<int> threads_per_slot = {};  // default: 1; with GPUs, an even share of the usable CPUs
  std::optional<int> slots_per_gpu = {};     // default: 1
};
// kInvalid: slots, threads or slots of a GPU below 1, more slots than the GPUs have, slots of GPUs where none is lent.
Result<Inventory> TakeInventory(const CpuLimits& limits, const InventoryOptions& options,
                                std::vector<LentGpu> gpus = {});

}  // namespace tutti::worker
