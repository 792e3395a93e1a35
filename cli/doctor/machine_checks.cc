// CPUs, memory, GPUs and the trainer.
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "cli/doctor/checks.h"
#include "cli/doctor/judgements.h"
#include "worker/agent/agent.h"

namespace tutti::cli {
namespace {

constexpr auto kAnswerDeadline = std::chrono::seconds(20);

uint64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (uint64_t kibibytes = 0; file >> key >> kibibytes; std::getline(file, unit)) {
    if (key == "MemAvailable:") return kibibytes << 10;
  }
  return 0;
}

Result<worker::TrainerBuild> AskOwnTrainer() {
  TUTTI_ASSIGN_OR_RETURN(const std::filesystem::path trainer, worker::FindTrainer());
  return worker::AskTrainer(trainer, kAnswerDeadline);
}

}  // namespace

Finding CheckProcessors(const Surroundings&) {
  return JudgeProcessors(worker::ReadCpuLimits(), static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
}

Finding CheckMemory(const Surroundings&) {
  const uint64_t usable = worker::ReadCpuLimits().memory_bytes;
  return JudgeMemory(usable, std::min(usable, AvailableMemory()));
}

Finding CheckTrainer(const Surroundings&) { return JudgeTrainer(AskOwnTrainer(), TUTTI_VERSION); }

Finding CheckGpus(const Surroundings& around) {
  const Mps mps = worker::MpsRuns(around.environment) ? Mps::kRuns : Mps::kAbsent;
  return JudgeGpus(worker::ReadGpuLimits(around.environment), mps);
}

Finding CheckCuda(const Surroundings& around) {
  return JudgeCuda(worker::ReadGpuLimits(around.environment), AskOwnTrainer());
}

}  // namespace tutti::cli
