// What a worker computes on: what it was asked for, what this machine has, and what its trainer can use.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "common/result.h"
#include "worker/agent/inventory.h"
#include "worker/agent/limits.h"
#include "worker/agent/trainer_build.h"

namespace tutti::worker {

enum class DeviceChoice { kAuto, kCpu, kCuda };

// The GPUs to lend; none: the CPUs are. The trainer is asked only where there is a GPU for it. Errors say what to do.
// kInvalid: the trainer cannot use the GPUs that are seen, or none is seen and kCuda asks for one; kIo: the driver
// fails; those of `ask_trainer`.
Result<std::vector<LentGpu>> ChooseGpus(const GpuLimits& limits, DeviceChoice choice,
                                        const std::function<Result<TrainerBuild>()>& ask_trainer);

// What this process was given of its machine, and may lend.
struct Machine {
  CpuLimits limits;
  std::vector<LentGpu> gpus;
};
// Errors: those of ChooseGpus and FindTrainer.
Result<Machine> LookAtMachine(DeviceChoice choice);

// What this machine lends. Errors: those of LookAtMachine and TakeInventory.
Result<Inventory> TakeLocalInventory(const InventoryOptions& options, DeviceChoice choice);

}  // namespace tutti::worker
