#include "cli/ranks/outer_launch.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "common/whole_number.h"

namespace tutti::cli {
namespace {

using worker::Environment;

constexpr int kMostRanks = 1'000'000;

// Nothing where it is not set.
Result<std::optional<int>> NumberIn(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  if (found == environment.end()) return std::nullopt;
  const auto number = ParseWholeNumber<int>(found->second);
  if (number && *number <= kMostRanks) return number;
  return Fail(ErrorCode::kInvalid, "{}={} is no number of a launcher's; --launcher local runs this process alone", name,
              found->second);
}

bool Is(const Environment& environment, const char* name, std::initializer_list<std::string_view> values) {
  const auto found = environment.find(name);
  return found != environment.end() && std::find(values.begin(), values.end(), found->second) != values.end();
}

bool IsOff(const Environment& environment, const char* name) {
  return Is(environment, name, {"0", "false", "no", "disabled"});
}

bool IsOn(const Environment& environment, const char* name) {
  return Is(environment, name, {"1", "true", "yes", "enabled"});
}

// Open MPI 4 hands its options to its ranks; PRRTE, which launches for Open MPI 5, and Slurm do not.
LossOfARank LossUnder(const Environment& environment) {
  if (!environment.contains("OMPI_MCA_orte_ess_num_procs")) return LossOfARank::kUnknown;
  const bool survives = IsOff(environment, "OMPI_MCA_orte_abort_on_non_zero_status") &&
                        IsOn(environment, "OMPI_MCA_orte_enable_recovery");
  return survives ? LossOfARank::kIsSurvived : LossOfARank::kEndsAll;
}

Result<OuterLaunch> UnderOpenMpi(const Environment& environment, int size) {
  OuterLaunch launch{.size = size, .loss = LossUnder(environment)};
  TUTTI_ASSIGN_OR_RETURN(const auto rank, NumberIn(environment, "OMPI_COMM_WORLD_RANK"));
  TUTTI_ASSIGN_OR_RETURN(const auto local_rank, NumberIn(environment, "OMPI_COMM_WORLD_LOCAL_RANK"));
  launch.rank = rank.value_or(0);
  launch.local_rank = local_rank.value_or(0);
  return launch;
}

Result<OuterLaunch> UnderSlurm(const Environment& environment, int size) {
  if (!environment.contains("PMIX_RANK")) {
    return Fail(ErrorCode::kInvalid,
                "srun has started {} tasks of this and they cannot meet: start them with srun --mpi=pmix, or one alone",
                size);
  }
  OuterLaunch launch{.size = size};
  TUTTI_ASSIGN_OR_RETURN(const auto rank, NumberIn(environment, "SLURM_PROCID"));
  TUTTI_ASSIGN_OR_RETURN(const auto local_rank, NumberIn(environment, "SLURM_LOCALID"));
  launch.rank = rank.value_or(0);
  launch.local_rank = local_rank.value_or(0);
  return launch;
}

}  // namespace

Result<std::optional<OuterLaunch>> FindOuterLaunch(const Environment& environment) {
  TUTTI_ASSIGN_OR_RETURN(const auto ranks, NumberIn(environment, "OMPI_COMM_WORLD_SIZE"));
  // A task that mpirun was started in is a step of one.
  TUTTI_ASSIGN_OR_RETURN(const auto tasks, NumberIn(environment, "SLURM_STEP_NUM_TASKS"));
  Result<OuterLaunch> launch = OuterLaunch{};
  if (ranks) {
    launch = UnderOpenMpi(environment, *ranks);
  } else if (tasks.value_or(1) > 1) {
    launch = UnderSlurm(environment, *tasks);
  }
  if (!launch) return tl::unexpected<Error>(std::move(launch.error()));
  if (launch->size < 2) return std::nullopt;
  return *launch;
}

bool IsFollowingRank(const Environment& environment) {
  const auto launch = FindOuterLaunch(environment);
  if (launch) return *launch && (*launch)->rank > 0;
  const auto task = environment.find("SLURM_PROCID");
  return task != environment.end() && task->second != "0";
}

}  // namespace tutti::cli
