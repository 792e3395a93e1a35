// tutti list
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/listing.h"

namespace tutti::cli {
namespace {

struct Options {
  CoordinatorOption coordinator;
  OutputOption output;
};

int List(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const Reader reader(*peer);
  const auto json = reader.Ensembles();
  if (!json) return EndWith(json.error());
  const auto forgotten = reader.Forgotten();
  if (forgotten && !forgotten->empty()) PrintToError(fmt::format("tutti: {}\n", SentenceOnForgotten(*forgotten)));
  if (options.output.Choose() == Output::kJson) {
    Print(json->dump(2) + "\n");
    return kExitDone;
  }
  const auto ensembles = ReadEnsembles(*json);
  if (!ensembles) return EndWith(ensembles.error());
  if (options.output.quiet) {
    for (const EnsembleDocument& ensemble : *ensembles) Print(ensemble.id + "\n");
  } else {
    Print(RenderListing(*ensembles, HomeHere(*peer), NextAfter(options.coordinator), OutputPage()));
  }
  return kExitDone;
}

}  // namespace

void AddList(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("list", "List the ensembles, newest first");
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return List(*options); }; });
}

}  // namespace tutti::cli
