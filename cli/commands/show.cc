// tutti show ID
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/listing.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string id = "last";
  CoordinatorOption coordinator;
  OutputOption output;
};

int Show(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto json = Reader(*peer).Ensemble(options.id);
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return EndWith(document.error());
  Print(options.output.Choose() == Output::kJson
            ? json->dump(2) + "\n"
            : RenderShow(*document, HomeHere(*peer), NextAfter(options.coordinator), OutputPage()));
  return kExitDone;
}

}  // namespace

void AddShow(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("show", "Show an ensemble: its members, and what it is worth");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Show(*options); }; });
}

}  // namespace tutti::cli
