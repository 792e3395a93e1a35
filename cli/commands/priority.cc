// tutti priority ID N
#include "cli/borrowed_coordinator.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string id;
  int priority = 0;
  CoordinatorOption coordinator;
};

int Prioritise(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto done = WithCoordinator(
      *peer,
      [&](const Client& client) -> Result<void> {
        TUTTI_RETURN_IF_ERROR(client.Prioritise(options.id, options.priority));
        Print(fmt::format("{} has priority {} now; what runs goes on.\n", options.id, options.priority));
        return {};
      },
      Remains::kMayRun);
  return done ? kExitDone : EndWith(done.error());
}

}  // namespace

void AddPriority(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("priority", "Have an ensemble served before others, or after them");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble"))->required();
  AsPriority(command->add_option("priority", options->priority, "Higher ones are served first; 0 is usual"))
      ->required();
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Prioritise(*options); }; });
}

}  // namespace tutti::cli
