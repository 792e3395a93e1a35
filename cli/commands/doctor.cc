// tutti doctor
#include <algorithm>
#include <cstdlib>

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/doctor/run_checks.h"
#include "cli/exit_codes.h"

namespace tutti::cli {
namespace {

constexpr Duration kDeadline = std::chrono::seconds(45);  // longer than any check gives what it asks

struct Options {
  CoordinatorOption coordinator;
  OutputOption output;
};

int Examine(const Options& options) {
  Surroundings around;
  const bool is_elsewhere =
      options.coordinator.server || (!options.coordinator.home.home && std::getenv("TUTTI_SERVER") != nullptr);
  if (!is_elsewhere) around.home = options.coordinator.home.Find();
  around.coordinator = options.coordinator;
  around.environment = worker::CurrentEnvironment();
  const std::vector<Finding> findings = RunChecks(AllChecks(), around, kDeadline);
  Print(options.output.Choose() == Output::kJson ? FindingsDocument(findings).dump(2) + "\n"
                                                 : RenderFindings(findings, OutputPage()));
  const bool well = std::ranges::none_of(findings, [](const Finding& one) { return one.verdict == Verdict::kProblem; });
  return well ? kExitDone : kExitFailed;
}

}  // namespace

void AddDoctor(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("doctor", "Say what this machine has and what is wrong with it");
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Examine(*options); }; });
}

}  // namespace tutti::cli
