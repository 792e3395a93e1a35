// What `tutti doctor` looks at: each check is a function and a line in the list of checks.cc.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "cli/coordinator_option.h"
#include "cli/render/findings.h"
#include "common/network/peer.h"
#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::cli {

// What the checks look at. Each runs in a process of its own (run_checks.h): what it needs it finds out itself.
struct Surroundings {
  std::filesystem::path home;  // here; empty where a coordinator at an address was named
  CoordinatorOption coordinator;
  worker::Environment environment;
};

struct Check {
  std::string_view name;
  Finding (*run)(const Surroundings& around);
};
std::span<const Check> AllChecks();

// machine_checks.cc
Finding CheckProcessors(const Surroundings& around);
Finding CheckMemory(const Surroundings& around);
Finding CheckTrainer(const Surroundings& around);
Finding CheckGpus(const Surroundings& around);
Finding CheckCuda(const Surroundings& around);
// launch_checks.cc
Finding CheckMpi(const Surroundings& around);
Finding CheckSlurm(const Surroundings& around);
// home_checks.cc
Finding CheckHome(const Surroundings& around);
Finding CheckDisk(const Surroundings& around);
// coordinator_checks.cc
Finding CheckCoordinator(const Surroundings& around);
Finding CheckClock(const Surroundings& around);

// What a check answers with.
Finding Ok(std::string_view check, std::string found);
Finding Warning(std::string_view check, std::string found, std::string cure);
Finding Problem(std::string_view check, std::string found, std::string cure);

}  // namespace tutti::cli
