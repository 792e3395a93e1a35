// tutti cancel ID
#include "cli/borrowed_coordinator.h"
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/render/documents.h"

namespace tutti::cli {
namespace {

// Longer than a worker waits for trainers that it has told to end.
constexpr Duration kDeadline = std::chrono::seconds(90);

struct Options {
  std::string id;
  CoordinatorOption coordinator;
};

Result<EnsembleDocument> Look(const Client& client, const std::string& name) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, client.Ensemble(name));
  return ReadEnsemble(json);
}

Result<void> CancelAndWait(const Client& client, const std::string& name, const NextCommand& next) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleDocument named, Look(client, name));
  TUTTI_RETURN_IF_ERROR(client.Cancel(named.id));
  const auto has_ended = [&]() -> Result<bool> {
    TUTTI_ASSIGN_OR_RETURN(const EnsembleDocument document, Look(client, named.id));
    return document.ended();
  };
  const auto ended = WaitUntil(has_ended, kDeadline, named.id + " has not ended yet");
  // Its coordinator may have had nothing else to do, and be gone.
  if (!ended && ended.error().code != ErrorCode::kUnreachable) return ended;
  Print(fmt::format("{} is cancelled; `{}` would go on with it.\n", named.id, next.Resume(named.id)));
  return {};
}

int Cancel(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto cancelled = WithCoordinator(
      *peer, [&](const Client& client) { return CancelAndWait(client, options.id, NextAfter(options.coordinator)); });
  if (!cancelled) return EndWith(cancelled.error());
  return kExitDone;
}

}  // namespace

void AddCancel(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("cancel", "End an ensemble without an answer");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble"))->required();
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Cancel(*options); }; });
}

}  // namespace tutti::cli
