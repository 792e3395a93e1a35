#include "worker/launch/environment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace tutti::worker {
namespace {

// What tells a process of srun's which step and which of its tasks it is.
constexpr std::array<std::string_view, 16> kOfTheStep = {
    "OMPI_",        "PMIX_",          "PMI_",           "ORTE_",
    "PRTE_",        "SLURM_STEP",     "SLURM_NTASKS",   "SLURM_NPROCS",
    "SLURM_NNODES", "SLURM_CPU_BIND", "SLURM_MEM_",     "SLURM_DISTRIBUTION",
    "SLURM_PROCID", "SLURM_LOCALID",  "SLURM_TASK_PID", "SLURM_CPUS_PER_TASK"};

bool IsRankOfOuterLaunch(const Environment& environment) {
  return environment.contains("OMPI_COMM_WORLD_RANK") || environment.contains("PMIX_RANK");
}

bool StartsWithAny(std::string_view key, std::span<const std::string_view> prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return key.starts_with(prefix); });
}

// What an mpirun never sets by itself.
bool SaysHowHostsAreReached(std::string_view key) {
  static constexpr std::array<std::string_view, 9> kPrefixes = {"OMPI_MCA_plm_rsh_", "OMPI_MCA_btl",
                                                                "OMPI_MCA_pml",      "OMPI_MCA_mtl",
                                                                "OMPI_MCA_oob_tcp_", "OMPI_MCA_orte_launch_agent",
                                                                "PRTE_MCA_plm_ssh_", "PRTE_MCA_prte_launch_agent",
                                                                "PRTE_MCA_oob_tcp_"};
  return StartsWithAny(key, kPrefixes);
}

bool BelongsToOuterLaunch(std::string_view key, bool is_rank) {
  // An mpirun that sees a batch system's allocation starts its ranks there instead of here.
  static constexpr std::array<std::string_view, 6> kPrefixes = {"PMIX_", "PMI_", "ORTE_", "PRTE_", "SLURM_", "PBS_"};
  if (SaysHowHostsAreReached(key)) return false;
  if (StartsWithAny(key, kPrefixes)) return true;
  if (!key.starts_with("OMPI_")) return false;
  return is_rank || !key.starts_with("OMPI_MCA_");
}

}  // namespace

Environment CurrentEnvironment() {
  Environment result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

Environment WithoutOuterLaunch(Environment environment) {
  const bool is_rank = IsRankOfOuterLaunch(environment);
  std::erase_if(environment, [&](const auto& entry) { return BelongsToOuterLaunch(entry.first, is_rank); });
  return environment;
}

Environment ForTrainer(Environment environment, const SlotShare& share) {
  environment["OMP_NUM_THREADS"] = std::to_string(share.threads);
  environment["OMP_WAIT_POLICY"] = "passive";
  environment["CUDA_VISIBLE_DEVICES"] = share.gpu;
  environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
  return environment;
}

Environment ForLauncher(Environment environment) {
  environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
  environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
  return environment;
}

Environment ForSrun(Environment environment) {
  std::erase_if(environment, [](const auto& entry) { return StartsWithAny(entry.first, kOfTheStep); });
  return environment;
}

Result<std::filesystem::path> FindProgram(const std::filesystem::path& program, const Environment& environment) {
  const auto is_executable = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (program.has_parent_path()) {
    if (is_executable(program)) return program;
    return Fail(ErrorCode::kNotFound, "{} is no program that can be run", program.string());
  }
  const auto path = environment.find("PATH");
  std::string_view folders = path == environment.end() ? std::string_view("/usr/bin:/bin") : path->second;
  while (!folders.empty()) {
    const size_t colon = folders.find(':');
    const std::filesystem::path candidate = std::filesystem::path(folders.substr(0, colon)) / program;
    if (is_executable(candidate)) return candidate;
    folders = colon == std::string_view::npos ? std::string_view() : folders.substr(colon + 1);
  }
  return Fail(ErrorCode::kNotFound, "{} is not in PATH: install it, or name its path", program.string());
}

}  // namespace tutti::worker
