// tutti show ID
#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/listing.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string id = "last";
  HomeOption home;
  OutputOption output;
};

int Show(const Options& options) {
  const std::filesystem::path home = options.home.Find();
  const auto json = Reader(home).Ensemble(options.id);
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return EndWith(document.error());
  Print(options.output.Choose() == Output::kJson ? json->dump(2) + "\n"
                                                 : RenderShow(*document, home, NextAfter(options.home), OutputPage()));
  return kExitDone;
}

}  // namespace

void AddShow(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("show", "Show an ensemble: its members, and what it is worth");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  options->home.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Show(*options); }; });
}

}  // namespace tutti::cli
