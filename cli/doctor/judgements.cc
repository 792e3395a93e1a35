#include "cli/doctor/judgements.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "cli/doctor/checks.h"
#include "common/spec/memory_size.h"

namespace tutti::cli {
namespace {

constexpr uint64_t kGigabyte = 1'000'000'000;
constexpr uint64_t kLittleMemory = 2 * kGigabyte;  // a trainer takes a gigabyte with its data, and a little more
constexpr uint64_t kLittleSpace = 10 * kGigabyte;
constexpr uint64_t kNoSpace = kGigabyte / 5;
constexpr auto kClockOff = std::chrono::seconds(5);      // times of one run in two logs no longer fit together
constexpr auto kClockUseless = std::chrono::minutes(5);  // certificates and leases are judged by it

std::string Memory(uint64_t bytes) { return spec::RoundedMemoryText(bytes); }

std::string Gpus(const std::vector<worker::LentGpu>& gpus) {
  const uint64_t least = std::ranges::min(gpus, {}, &worker::LentGpu::memory_bytes).memory_bytes;
  return least == 0
             ? worker::Describe(gpus)
             : fmt::format("{} with {}{}", worker::Describe(gpus), gpus.size() == 1 ? "" : "at least ", Memory(least));
}

struct FileSystemKind {
  int64_t number;  // linux/magic.h, and what the vendors of the others say
  std::string_view name;
  enum class Nature { kLocal, kShared, kPassing } nature;
};
using enum FileSystemKind::Nature;
constexpr auto kFileSystems = std::to_array<FileSystemKind>({
    {0xEF53, "ext4", kLocal},
    {0x58465342, "XFS", kLocal},
    {0x9123683E, "Btrfs", kLocal},
    {0x2FC12FC1, "ZFS", kLocal},
    {0x6969, "NFS", kShared},
    {0x0BD00BD0, "Lustre", kShared},
    {0x47504653, "GPFS", kShared},
    {0x19830326, "BeeGFS", kShared},
    {0x00C36400, "CephFS", kShared},
    {0xFF534D42, "SMB", kShared},
    {0xFE534D42, "SMB", kShared},
    {0x65735546, "FUSE", kShared},
    {0x01021994, "tmpfs", kPassing},
    {0x794C7630, "overlayfs", kPassing},
});

std::string_view NameOfKind(int64_t kind) {
  const auto found = std::ranges::find(kFileSystems, kind, &FileSystemKind::number);
  return found == kFileSystems.end() ? "an unusual file system" : found->name;
}

bool IsPassing(int64_t kind) {
  const auto found = std::ranges::find(kFileSystems, kind, &FileSystemKind::number);
  return found != kFileSystems.end() && found->nature == kPassing;
}

std::string Seconds(Duration time) {
  return fmt::format("{:.1f} s", std::abs(std::chrono::duration<double>(time).count()));
}

}  // namespace

Finding JudgeProcessors(const worker::CpuLimits& limits, int on_line) {
  const int usable = worker::UsableCpus(limits);
  std::string found = fmt::format("{} of {} CPUs for this process", usable, on_line);
  if (limits.slurm_cpus_per_task) found += fmt::format(", Slurm gives {} a task", *limits.slurm_cpus_per_task);
  if (std::ssize(limits.affinity) < on_line) found += fmt::format(", bound to {}", limits.affinity.size());
  if (usable < std::ssize(limits.affinity) && !limits.slurm_cpus_per_task) found += ", the cgroup has a quota";
  return Ok("processors", std::move(found));
}

Finding JudgeMemory(uint64_t usable_bytes, uint64_t available_bytes) {
  std::string found = fmt::format("{} for this process, {} available", Memory(usable_bytes), Memory(available_bytes));
  if (available_bytes >= kLittleMemory) return Ok("memory", std::move(found));
  return Warning("memory", std::move(found), "end what takes it, or lend fewer slots with --slots");
}

Finding JudgeTrainer(const Result<worker::TrainerBuild>& build, std::string_view own_version) {
  if (!build) {
    return Problem("trainer", build.error().Text(),
                   "install tutti-trainer beside tutti, or name it by TUTTI_TRAINER; a coordinator alone needs none");
  }
  std::string found = fmt::format("tutti-trainer {} with LibTorch {} {}", build->version, build->libtorch,
                                  build->cuda ? "for CUDA " + worker::FormatCuda(*build->cuda) : "for CPUs");
  if (build->version == own_version) return Ok("trainer", std::move(found));
  return Problem("trainer", std::move(found), fmt::format("install the trainer of this release, {}", own_version));
}

Finding JudgeGpus(const worker::GpuLimits& limits, Mps mps) {
  if (!limits.driver) {
    if (limits.driver.error().code == ErrorCode::kNotFound) return Ok("gpus", limits.driver.error().Text());
    return Problem("gpus", limits.driver.error().Text(),
                   "`nvidia-smi` may tell more; after an update of the driver the machine must start anew");
  }
  if (!limits.driver->problems.empty()) {
    return Problem("gpus", fmt::format("{}", fmt::join(limits.driver->problems, "; ")),
                   "take the GPU out of CUDA_VISIBLE_DEVICES, or reset it; the others are lent meanwhile");
  }
  const std::vector<worker::LentGpu> gpus = worker::LentGpus(limits);
  if (gpus.empty() && limits.cuda_visible_devices && !limits.driver->gpus.empty()) {
    return Warning("gpus",
                   fmt::format("CUDA_VISIBLE_DEVICES='{}' leaves none of {}", *limits.cuda_visible_devices,
                               limits.driver->gpus.size()),
                   "unset it, or name GPUs that there are, where they are to be lent");
  }
  if (gpus.empty() && !limits.driver->gpus.empty()) {
    return Warning("gpus", "the GPUs are in MIG mode and have no parts", "make parts with `nvidia-smi mig`");
  }
  if (gpus.empty()) return Ok("gpus", fmt::format("none; driver {}", limits.driver->version));
  return Ok("gpus",
            fmt::format("{}, driver {}{}", Gpus(gpus), limits.driver->version, mps == Mps::kRuns ? ", MPS runs" : ""));
}

Finding JudgeCuda(const worker::GpuLimits& limits, const Result<worker::TrainerBuild>& build) {
  const std::vector<worker::LentGpu> gpus = worker::LentGpus(limits);
  if (gpus.empty()) return Ok("cuda", "not needed: there is no GPU to train on");
  if (!build) return Ok("cuda", "not looked at: no trainer answers");
  if (!build->TrainsOn("cuda")) {
    return Problem("cuda", fmt::format("{}, and tutti-trainer trains on CPUs alone", worker::Describe(gpus)),
                   "lend the CPUs with --device cpu, or name by TUTTI_TRAINER a trainer that trains on GPUs");
  }
  const int runs = limits.driver ? limits.driver->cuda : 0;
  const int needs = build->cuda.value_or(0);
  if (runs == 0 || needs == 0) return Ok("cuda", "the driver does not tell which CUDA it runs");
  const std::string found = fmt::format("the driver runs CUDA up to {}, LibTorch is built for {}",
                                        worker::FormatCuda(runs), worker::FormatCuda(needs));
  // Within a major version a driver runs what was built for a later minor one.
  if (runs / 1000 >= needs / 1000) return Ok("cuda", found);
  return Problem("cuda", found, "install a newer NVIDIA driver, or a trainer with a LibTorch for an older CUDA");
}

Finding JudgeDisk(int64_t kind, uint64_t total_bytes, uint64_t free_bytes) {
  std::string found = fmt::format("{} free of {}, {}", Memory(free_bytes), Memory(total_bytes), NameOfKind(kind));
  if (free_bytes < kNoSpace) return Problem("disk", std::move(found), "make room: `tutti du` tells who takes how much");
  if (free_bytes < kLittleSpace) {
    return Warning("disk", std::move(found), "make room: `tutti du` tells who takes how much");
  }
  if (IsPassing(kind)) {
    return Warning("disk", std::move(found),
                   "what lies there goes with the machine or the container: name another home");
  }
  return Ok("disk", std::move(found));
}

Finding JudgeClock(Duration behind, Duration uncertainty, std::string_view whose) {
  const Duration least = std::chrono::abs(behind) - uncertainty;
  const std::string found =
      fmt::format("this clock is {} {} that of {}", Seconds(behind), behind.count() >= 0 ? "behind" : "before", whose);
  const char* cure = "let both machines keep time with NTP (chrony, systemd-timesyncd)";
  if (least > kClockUseless) return Problem("clock", found, cure);
  if (least > kClockOff) return Warning("clock", found, cure);
  return Ok("clock",
            fmt::format("agrees with that of {} to {}", whose, Seconds(std::chrono::abs(behind) + uncertainty)));
}

}  // namespace tutti::cli
