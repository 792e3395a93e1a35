// tutti watch [ID]
#include <thread>

#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/listing.h"

namespace tutti::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{250};

struct Options {
  std::string id = "last";
  HomeOption home;
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
  const std::filesystem::path home = options.home.Find();
  const auto document = WatchUntilEnd(Reader(home), options.id);
  if (!document) return EndWith(document.error());
  Print(RenderShow(*document, home, NextAfter(options.home), OutputPage()));
  return document->ended() ? kExitDone : kExitUnreachable;
}

}  // namespace

void AddWatch(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("watch", "Watch an ensemble that another terminal trains");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  options->home.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Watch(*options); }; });
}

}  // namespace tutti::cli
