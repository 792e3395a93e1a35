// Which GPUs this process may lend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "worker/agent/nvml.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

// A GPU, or a part of one in MIG mode.
struct LentGpu {
  std::string id;             // as CUDA_VISIBLE_DEVICES names it: its UUID where the driver tells it
  std::string name;           // empty: unknown
  uint64_t memory_bytes = 0;  // 0: unknown
  bool operator==(const LentGpu&) const = default;
};

// What there is, and what this process was given of it. Plain data, so that tests need no GPU.
struct GpuLimits {
  Result<DriverReport> driver;
  std::optional<std::string> cuda_visible_devices;  // CUDA_VISIBLE_DEVICES
  std::optional<std::string> slurm_gpus;            // SLURM_STEP_GPUS, else SLURM_JOB_GPUS
};
GpuLimits ReadGpuLimits(const Environment& environment);

// In the order in which they are to be lent. CUDA_VISIBLE_DEVICES counts as CUDA reads it: indexes in the order of the
// PCI bus, UUIDs or what of one is enough to tell it, the first entry that names nothing ends the list, and an empty
// list is none. Where it is not set, what Slurm gave counts, else all that the driver shows. A GPU in MIG mode stands
// for its parts. Without an answer of the driver the entries of CUDA_VISIBLE_DEVICES are taken for GPUs as they are.
std::vector<LentGpu> LentGpus(const GpuLimits& limits);

// "2 GPUs (NVIDIA A100-SXM4-40GB)"
std::string Describe(const std::vector<LentGpu>& gpus);

// Whether the control daemon of CUDA's Multi-Process Service runs, through which processes that share a GPU run on it
// side by side instead of in turns. Trainers reach it by the environment that they get anyway.
bool MpsRuns(const Environment& environment);

}  // namespace tutti::worker
