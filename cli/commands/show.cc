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
  bool exit_code = false;
};

// As `tutti run` would have ended; 1, and why, where there is no answer to tell of.
int ExitCodeOfEnsemble(const EnsembleDocument& document) {
  if (document.state != "stopped" && document.ended()) return document.exit_code.value_or(kExitFailed);
  const std::string note = document.note.empty() ? "" : fmt::format(" ({})", document.note);
  PrintToError(fmt::format("tutti: {} has not ended: it is {}{}\n", document.id, document.state, note));
  return kExitFailed;
}

int Show(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto json = Reader(*peer).Ensemble(options.id);
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return EndWith(document.error());
  Print(options.output.Choose() == Output::kJson
            ? json->dump(2) + "\n"
            : RenderShow(*document, HomeHere(*peer), NextAfter(options.coordinator), OutputPage()));
  return options.exit_code ? ExitCodeOfEnsemble(*document) : kExitDone;
}

}  // namespace

void AddShow(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("show", "Show an ensemble: its members, and what it is worth");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->add_flag("--exit-code", options->exit_code,
                    "End as `tutti run` would have: 0, 1, 5; with 1 too where it has not ended");
  command->callback([options, &chosen] { chosen = [options] { return Show(*options); }; });
}

}  // namespace tutti::cli
