#include "cli/nodes/allocation_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <string_view>

#include "cli/command_line.h"
#include "cli/nodes/slurm_nodes.h"
#include "cli/own_program.h"
#include "cli/render/slurm_script.h"
#include "cli/whole_number_option.h"

namespace tutti::cli {
namespace {

constexpr int kMostNodes = 10'000;
constexpr double kLeastSeconds = 1;
constexpr std::chrono::minutes kShortestTime{10};

// What each job is given by the coordinator itself.
constexpr std::string_view kOwn[] = {"nodes",     "time",       "job-name", "ntasks", "ntasks-per-node",
                                     "array",     "signal",     "wrap",     "output", "open-mode",
                                     "requeue",   "no-requeue", "parsable", "chdir",  "no-kill",
                                     "test-only", "quiet",      "clusters", "wait",   "help"};

Result<std::vector<std::string>> Words(const std::vector<std::string>& sbatch) {
  std::vector<std::string> words;
  for (const std::string& option : sbatch) {
    const std::string name = option.substr(0, option.find('='));
    if (name.empty() || name.starts_with('-')) {
      return Fail(ErrorCode::kInvalid, "--sbatch: '{}' is no option of sbatch without its dashes, like partition=gpu",
                  option);
    }
    if (std::ranges::find(kOwn, name) != std::end(kOwn)) {
      return Fail(ErrorCode::kInvalid, "--sbatch: the coordinator sets --{} itself", name);
    }
    words.push_back("--" + option);
  }
  return words;
}

}  // namespace

void AllocationOptions::AddTo(CLI::App& command) {
  CLI::Option* allocate =
      command.add_option("--allocate", system, "Ask a batch system for nodes while there is work for them: slurm")
          ->check(CLI::IsMember({"slurm"}))
          ->type_name("SYSTEM");
  const auto belongs = [&](CLI::Option* option) { return option->needs(allocate); };
  belongs(command.add_option("--nodes", nodes, "How many nodes at once, 1 by default"))
      ->check(WholeNumber(1, kMostNodes))
      ->type_name("N");
  belongs(command.add_option("--time", time, "The longest time limit of a job, 4:00:00 by default"))->type_name("TIME");
  AsSeconds(
      belongs(command.add_option("--idle", idle_s, "How long nodes idle before they are given back, 300 by default")),
      kLeastSeconds);
  belongs(command.add_option("--node-hours", node_hours, "The most that all jobs may use together; none by default"))
      ->check(CLI::PositiveNumber)
      ->type_name("HOURS");
  belongs(command.add_option("--slots-per-node", slots_per_node,
                             "How many slots a node is expected to have before the first one came, 1 by default"))
      ->check(WholeNumber(1, kMostNodes))
      ->type_name("N");
  belongs(command.add_option("--sbatch", sbatch, "An option of sbatch, as in partition=gpu; may be repeated"))
      ->allow_extra_args(false)
      ->type_name("KEY[=VALUE]");
}

Result<std::optional<server::NodeOptions>> AllocationOptions::Choose(const std::filesystem::path& home) const {
  if (!system) return std::optional<server::NodeOptions>();
  const auto longest = ParseTimeLimit(time);
  if (!longest || *longest < kShortestTime) {
    return Fail(ErrorCode::kInvalid, "--time: '{}' is no time limit of {} minutes at least, like 4:00:00", time,
                kShortestTime.count());
  }
  SlurmNodeOptions slurm;
  TUTTI_ASSIGN_OR_RETURN(slurm.tutti, OwnProgram());
  slurm.home = std::filesystem::absolute(home);
  TUTTI_ASSIGN_OR_RETURN(slurm.sbatch, Words(sbatch));
  slurm.environment = worker::CurrentEnvironment();
  server::NodeOptions options;
  TUTTI_ASSIGN_OR_RETURN(options.batch, SlurmNodes::Find(std::move(slurm)));
  options.limits.nodes = nodes;
  options.limits.slots_per_node = slots_per_node;
  options.limits.longest = *longest;
  options.limits.shortest = std::min<Duration>(options.limits.shortest, *longest);
  options.limits.idle = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(idle_s));
  if (node_hours) {
    options.limits.budget =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::ratio<3600>>(*node_hours));
  }
  return std::optional(std::move(options));
}

}  // namespace tutti::cli
