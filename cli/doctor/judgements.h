// What the checks make of what they saw. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/render/findings.h"
#include "common/clock.h"
#include "common/result.h"
#include "worker/agent/gpus.h"
#include "worker/agent/limits.h"
#include "worker/agent/trainer_build.h"

namespace tutti::cli {

Finding JudgeProcessors(const worker::CpuLimits& limits, int on_line);
Finding JudgeMemory(uint64_t usable_bytes, uint64_t available_bytes);
Finding JudgeTrainer(const Result<worker::TrainerBuild>& build, std::string_view own_version);
enum class Mps { kRuns, kAbsent };
Finding JudgeGpus(const worker::GpuLimits& limits, Mps mps);
// Whether the trainer can use the GPUs, and the driver run its LibTorch.
Finding JudgeCuda(const worker::GpuLimits& limits, const Result<worker::TrainerBuild>& build);
// `kind` as statfs numbers it.
Finding JudgeDisk(int64_t kind, uint64_t total_bytes, uint64_t free_bytes);
// `behind`: how much the other clock, that of `whose`, is ahead of this one; it is known to within `uncertainty`.
Finding JudgeClock(Duration behind, Duration uncertainty, std::string_view whose);

}  // namespace tutti::cli
