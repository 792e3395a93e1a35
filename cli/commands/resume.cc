// tutti resume [ID]
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/follow.h"
#include "cli/gangs.h"
#include "cli/reader.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string id = "last";
  HomeOption home;
  SlotOptions slots;
  OutputOption output;
};

int Fails(const Error& error) {
  Complain(error);
  return error.code == ErrorCode::kNotFound ? kExitNotFound : kExitFailed;
}

// One that was running when its coordinator was lost goes on as soon as another serves the home.
Result<void> GoOn(const Client& client, const EnsembleDocument& document) {
  if (document.state == "running" || document.state == "finished") return {};
  return client.Resume(document.id);
}

Result<EnsembleDocument> Look(const std::filesystem::path& home, const std::string& id) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, Reader(home).Ensemble(id));
  return ReadEnsemble(json);
}

void Announce(const EnsembleDocument& document, Output output) {
  if (output == Output::kQuiet) Print(document.id + "\n");
  if (output != Output::kText) return;
  Print(document.state == "finished" ? fmt::format("{} has finished already.\n", document.id)
                                     : fmt::format("{} goes on.\n", document.id));
}

int ResumeElsewhere(const std::filesystem::path& home, const EnsembleDocument& document) {
  const auto resumed = GoOn(Client(home), document);
  if (!resumed) return Fails(resumed.error());
  Print(fmt::format("{} goes on in the coordinator that serves {}; `tutti watch {}` follows it.\n", document.id,
                    home.string(), document.id));
  return kExitDone;
}

int ResumeHere(const Options& options, const std::filesystem::path& home, const EnsembleDocument& document) {
  const auto inventory = TakeLocalInventory(options.slots);
  if (!inventory) return Fails(inventory.error());
  const auto cluster = LocalCluster::Start(home, *inventory);
  if (!cluster) {
    Complain(cluster.error());
    return kExitFailed;
  }
  const auto resumed = GoOn(Client(home), document);
  if (!resumed) return Fails((*cluster)->failure().value_or(resumed.error()));
  Announce(document, options.output.Choose());
  return FollowHere(**cluster, home, document.id, options.output.Choose());
}

int Resume(const Options& options) {
  const std::filesystem::path home = options.home.Find();
  const auto document = Look(home, options.id);
  if (!document) return Fails(document.error());
  if (Reader(home).IsServed()) return ResumeElsewhere(home, *document);
  return ResumeHere(options, home, *document);
}

}  // namespace

void AddResume(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("resume", "Go on with an ensemble that stopped, failed or was cancelled");
  command->add_option("id", options->id, "The ensemble, the newest by default")->type_name("ID");
  options->home.AddTo(*command);
  options->slots.AddTo(*command);
  options->output.AddFormatTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Resume(*options); }; });
}

}  // namespace tutti::cli
