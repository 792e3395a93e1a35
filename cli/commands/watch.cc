// tutti watch [ID]
#include <thread>

#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/listing.h"

namespace tutti::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{250};

struct Options {
  std::string id = "last";
  CoordinatorOption coordinator;
};

// The document with which watching ended: the ensemble has, or nobody serves the home any more.
Result<EnsembleDocument> WatchUntilEnd(const Reader& reader, const std::string& id) {
  ProgressDisplay display(Output::kText);
  while (true) {
    const bool served = reader.IsServed();
    TUTTI_ASSIGN_OR_RETURN(const Json json, reader.Ensemble(id));
    TUTTI_ASSIGN_OR_RETURN(EnsembleDocument document, ReadEnsemble(json));
    if (document.ended() || !served) return document;
    display.Show(document);
    std::this_thread::sleep_for(kPoll);
  }
}

int Watch(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto document = WatchUntilEnd(Reader(*peer), options.id);
  if (!document) return EndWith(document.error());
  Print(RenderShow(*document, HomeHere(*peer), NextAfter(options.coordinator), OutputPage()));
  return document->ended() ? kExitDone : kExitUnreachable;
}

}  // namespace

void AddWatch(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("watch", "Watch an ensemble that another terminal trains");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Watch(*options); }; });
}

}  // namespace tutti::cli
