#include "cli/doctor/checks.h"

#include <array>
#include <utility>

namespace tutti::cli {
namespace {

// In the order in which they are shown.
constexpr auto kChecks = std::to_array<Check>({
    {"processors", CheckProcessors},
    {"memory", CheckMemory},
    {"trainer", CheckTrainer},
    {"gpus", CheckGpus},
    {"cuda", CheckCuda},
    {"mpi", CheckMpi},
    {"slurm", CheckSlurm},
    {"home", CheckHome},
    {"disk", CheckDisk},
    {"coordinator", CheckCoordinator},
    {"clock", CheckClock},
});

}  // namespace

std::span<const Check> AllChecks() { return kChecks; }

Finding Ok(std::string_view check, std::string found) {
  return {std::string(check), Verdict::kOk, std::move(found), ""};
}

Finding Warning(std::string_view check, std::string found, std::string cure) {
  return {std::string(check), Verdict::kWarning, std::move(found), std::move(cure)};
}

Finding Problem(std::string_view check, std::string found, std::string cure) {
  return {std::string(check), Verdict::kProblem, std::move(found), std::move(cure)};
}

}  // namespace tutti::cli
