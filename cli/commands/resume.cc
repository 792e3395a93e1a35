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

// In text, `sentence`; where people want no text, the bare id or nothing yet.
void Announce(const EnsembleDocument& document, Output output, const std::string& sentence) {
  if (output == Output::kQuiet) Print(document.id + "\n");
  if (output == Output::kText) Print(sentence);
}

int ResumeElsewhere(const Options& options, const std::filesystem::path& home, const EnsembleDocument& document) {
  if (options.slots.given()) {
    PrintToError(fmt::format(
        "tutti: a coordinator serves {} already, with slots of its own: leave --slots and --threads-per-slot out\n",
        home.string()));
    return kExitUsage;
  }
  const Client client(home);
  const auto resumed = client.Resume(document.id);
  if (!resumed) return Fails(resumed.error());
  const Output output = options.output.Choose();
  Announce(document, output,
           fmt::format("{} goes on in the coordinator that serves {}; `tutti watch {}` follows it.\n", document.id,
                       home.string(), document.id));
  if (output != Output::kJson) return kExitDone;
  const auto json = client.Ensemble(document.id);
  if (!json) return Fails(json.error());
  Print(json->dump(2) + "\n");
  return kExitDone;
}

// What has finished already may have been wider than this machine is now.
Result<void> CheckOpenGangsFit(const std::filesystem::path& home, const EnsembleDocument& document,
                               const worker::Inventory& inventory) {
  TUTTI_ASSIGN_OR_RETURN(spec::EnsembleSpec spec, Reader(home).Experiment(document.id));
  for (const MemberDocument& member : document.members) {
    if (member.state != "finished") continue;
    std::erase_if(spec.members, [&](const spec::MemberSpec& candidate) { return candidate.name == member.name; });
  }
  return CheckGangsFit(spec, inventory);
}

int ResumeHere(const Options& options, const std::filesystem::path& home, const EnsembleDocument& document) {
  const auto inventory = TakeLocalInventory(options.slots);
  if (!inventory) return Fails(inventory.error());
  const auto fits = CheckOpenGangsFit(home, document, *inventory);
  if (!fits) {
    Complain(fits.error());
    return kExitFailed;
  }
  const Output output = options.output.Choose();
  return TrainHere(home, *inventory, output, [&](const Client& client) -> Result<std::string> {
    TUTTI_RETURN_IF_ERROR(client.Resume(document.id));
    Announce(document, output, fmt::format("{} goes on.\n", document.id));
    return document.id;
  });
}

int Resume(const Options& options) {
  const std::filesystem::path home = options.home.Find();
  const Reader reader(home);
  const auto json = reader.Ensemble(options.id);
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return Fails(document.error());
  if (document->state == "finished") {
    const Output output = options.output.Choose();
    Announce(*document, output, fmt::format("{} has finished already.\n", document->id));
    return PrintEnd(*json, *document, home, output);
  }
  if (reader.IsServed()) return ResumeElsewhere(options, home, *document);
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
