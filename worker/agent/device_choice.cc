#include "worker/agent/device_choice.h"

#include <utility>

#include "worker/agent/agent.h"
#include "worker/launch/environment.h"

namespace tutti::worker {
namespace {

std::string WhyNoGpu(const GpuLimits& limits) {
  if (!limits.driver) return limits.driver.error().Text();
  if (limits.driver->gpus.empty()) return "the NVIDIA driver shows no GPU";
  if (limits.cuda_visible_devices) {
    return fmt::format("CUDA_VISIBLE_DEVICES='{}' leaves none of {}", *limits.cuda_visible_devices,
                       limits.driver->gpus.size());
  }
  return "those in MIG mode have no parts";
}

// A driver that fails may hide GPUs, unless this process is given none anyway.
bool MayHideGpus(const GpuLimits& limits) {
  if (limits.driver || limits.driver.error().code == ErrorCode::kNotFound) return false;
  return !limits.cuda_visible_devices || !limits.cuda_visible_devices->empty();
}

std::string BuildOf(const TrainerBuild& build) {
  return build.cuda ? fmt::format("its LibTorch {} knows CUDA {}, this release does not use it", build.libtorch,
                                  FormatCuda(*build.cuda))
                    : fmt::format("its LibTorch {} is a build for CPUs", build.libtorch);
}

}  // namespace

Result<std::vector<LentGpu>> ChooseGpus(const GpuLimits& limits, DeviceChoice choice,
                                        const std::function<Result<TrainerBuild>()>& ask_trainer) {
  if (choice == DeviceChoice::kCpu) return std::vector<LentGpu>();
  if (MayHideGpus(limits)) {
    return FailBecause(limits.driver.error(), "`nvidia-smi` may tell more; --device cpu lends CPUs instead");
  }
  std::vector<LentGpu> gpus = LentGpus(limits);
  if (gpus.empty() && choice == DeviceChoice::kCuda) {
    return Fail(ErrorCode::kInvalid, "--device cuda needs a GPU, and none is seen: {}", WhyNoGpu(limits));
  }
  if (gpus.empty()) return gpus;
  TUTTI_ASSIGN_OR_RETURN(const TrainerBuild build, ask_trainer());
  if (build.TrainsOn("cuda")) return gpus;
  return Fail(ErrorCode::kInvalid,
              "this machine has {}, and tutti-trainer trains on CPUs alone ({}): lend the CPUs with --device cpu, or "
              "name by TUTTI_TRAINER a trainer that trains on GPUs",
              Describe(gpus), BuildOf(build));
}

Result<Machine> LookAtMachine(DeviceChoice choice) {
  GpuLimits limits;
  if (choice != DeviceChoice::kCpu) limits = ReadGpuLimits(CurrentEnvironment());
  const auto ask_trainer = []() -> Result<TrainerBuild> {
    TUTTI_ASSIGN_OR_RETURN(const std::filesystem::path trainer, FindTrainer());
    return AskTrainer(trainer);
  };
  TUTTI_ASSIGN_OR_RETURN(std::vector<LentGpu> gpus, ChooseGpus(limits, choice, ask_trainer));
  return Machine{ReadCpuLimits(), std::move(gpus)};
}

Result<Inventory> TakeLocalInventory(const InventoryOptions& options, DeviceChoice choice) {
  TUTTI_ASSIGN_OR_RETURN(Machine machine, LookAtMachine(choice));
  return TakeInventory(machine.limits, options, std::move(machine.gpus));
}

}  // namespace tutti::worker
