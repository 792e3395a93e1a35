#include "worker/launch/launcher.h"

#include <array>
#include <utility>

namespace tutti::worker {
namespace {

constexpr std::array<std::pair<Launcher, std::string_view>, 3> kNames = {
    {{Launcher::kLocal, "local"}, {Launcher::kMpirun, "mpirun"}, {Launcher::kSrun, "srun"}}};

bool IsInSlurmJob(const Environment& environment) { return environment.contains("SLURM_JOB_ID"); }

Result<Launcher> CheckAsked(Launcher asked, const Environment& environment) {
  if (asked == Launcher::kSrun && !IsInSlurmJob(environment)) {
    return Fail(ErrorCode::kNotFound, "--launcher srun needs a Slurm job, and this is in none: submit it with sbatch");
  }
  // On one machine it is needed by gangs alone, and they say so.
  if (asked != Launcher::kLocal) TUTTI_RETURN_IF_ERROR(FindProgram(std::string(Name(asked)), environment));
  return asked;
}

}  // namespace

std::string_view Name(Launcher launcher) {
  for (const auto& [one, name] : kNames) {
    if (one == launcher) return name;
  }
  return "";
}

Result<Launcher> ParseLauncher(std::string_view text) {
  for (const auto& [launcher, name] : kNames) {
    if (name == text) return launcher;
  }
  return Fail(ErrorCode::kInvalid, "'{}' is no launcher: local, mpirun and srun are", text);
}

Result<Launcher> ChooseLauncher(std::optional<Launcher> asked, const Environment& environment, int machines) {
  if (asked) return CheckAsked(*asked, environment);
  if (machines < 2) return Launcher::kLocal;
  if (IsInSlurmJob(environment) && FindProgram("srun", environment)) return Launcher::kSrun;
  return FindProgram("mpirun", environment) ? Launcher::kMpirun : Launcher::kLocal;
}

}  // namespace tutti::worker
