#include "cli/lease_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/command_line.h"

namespace tutti::cli {
namespace {

constexpr double kShortestLease = 0.001;  // seconds, as all leases

// In seconds, as people write them.
void AddLease(CLI::App& command, const std::string& name, Duration& lease, const std::string& meaning) {
  const auto set = [&lease](double seconds) {
    lease = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  };
  AsSeconds(command.add_option_function<double>(name, set, meaning), kShortestLease)
      ->default_str(fmt::format("{}", std::chrono::duration_cast<std::chrono::seconds>(lease).count()));
}

}  // namespace

void LeaseOptions::AddTo(CLI::App& command) {
  AddLease(command, "--disconnect-grace", settings.disconnect_grace,
           "How long a worker whose connection broke has to come back");
  AddLease(command, "--silence-limit", settings.silence_limit,
           "How long a worker may say nothing before its members go on elsewhere");
}

void LeaseOptions::AddAllTo(CLI::App& command) {
  AddTo(command);
  AddLease(command, "--recovery-lease", settings.recovery_lease,
           "How long workers of a former coordinator have to come back to this one");
}

}  // namespace tutti::cli
