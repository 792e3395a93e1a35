// tutti rm ID...
#include "cli/borrowed_coordinator.h"
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/render/documents.h"

namespace tutti::cli {
namespace {

constexpr Duration kDeadline = std::chrono::minutes(5);  // for the files of one ensemble to be deleted

struct Options {
  std::vector<std::string> ids;
  CoordinatorOption coordinator;
};

Result<void> RemoveOne(const Client& client, const std::string& name) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, client.Ensemble(name));
  TUTTI_ASSIGN_OR_RETURN(const EnsembleDocument document, ReadEnsemble(json));
  TUTTI_RETURN_IF_ERROR(Client(client.peer(), kDeadline).Remove(document.id));
  Print(document.id + " is removed.\n");
  return {};
}

int Remove(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  int worst = kExitDone;
  const auto asked = WithCoordinator(*peer, [&](const Client& client) -> Result<void> {
    for (const std::string& id : options.ids) {
      const auto removed = RemoveOne(client, id);
      if (removed) continue;
      // Nor would it hear of the others.
      const ErrorCode code_of = removed.error().code;
      if (code_of == ErrorCode::kUnreachable || code_of == ErrorCode::kTimeout) return removed;
      const int code = EndWith(removed.error());
      if (worst == kExitDone || worst == kExitNotFound) worst = code;  // that nothing is there is the least of it
    }
    return {};
  });
  return asked ? worst : EndWith(asked.error());
}

}  // namespace

void AddRemove(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("rm", "Remove ensembles that have ended, with all their files");
  AsEnsembleId(command->add_option("id", options->ids, "The ensembles"))->required();
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Remove(*options); }; });
}

}  // namespace tutti::cli
