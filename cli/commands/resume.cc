// tutti resume [ID]
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/follow.h"
#include "cli/launch_options.h"
#include "cli/reader.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string id = "last";
  CoordinatorOption coordinator;
  SlotOptions slots;
  LaunchOptions launch;
  OutputOption output;
};

// In text, `sentence`; where people want no text, the bare id or nothing yet.
void Announce(const EnsembleDocument& document, Output output, const std::string& sentence) {
  if (output == Output::kQuiet) Print(document.id + "\n");
  if (output == Output::kText) Print(sentence);
}

// What it is asked for is there already.
int ShowFinished(const Json& json, const EnsembleDocument& document, const std::filesystem::path& home, Output output) {
  Announce(document, output, fmt::format("{} has finished already.\n", document.id));
  return PrintEnd(json, document, home, output);
}

int ResumeElsewhere(const Options& options, const network::Peer& peer, const EnsembleDocument& document) {
  if (options.slots.given()) {
    PrintToError(fmt::format("tutti: {} has slots of its own: leave --slots and --threads-per-slot out\n",
                             network::NameOf(peer)));
    return kExitUsage;
  }
  const Client client(peer);
  const auto resumed = client.Resume(document.id);
  if (!resumed) return EndWith(resumed.error());
  const auto json = client.Ensemble(document.id);
  const auto now = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!now) return EndWith(now.error());
  const Output output = options.output.Choose();
  if (now->state == "finished") return ShowFinished(*json, *now, HomeHere(peer), output);
  Announce(document, output,
           fmt::format("{} goes on in {}; `{}` follows it.\n", document.id, network::NameOf(peer),
                       NextAfter(options.coordinator).Watch(document.id)));
  if (output == Output::kJson) Print(json->dump(2) + "\n");
  return kExitDone;
}

// What has finished already may have been wider than this machine is now.
Result<void> CheckOpenGangsFit(const Reader& reader, const EnsembleDocument& document, const Crew& crew) {
  TUTTI_ASSIGN_OR_RETURN(spec::EnsembleSpec spec, reader.Experiment(document.id));
  for (const MemberDocument& member : document.members) {
    if (member.state != "finished") continue;
    std::erase_if(spec.members, [&](const spec::MemberSpec& candidate) { return candidate.name == member.name; });
  }
  return CheckGangsFit(spec, crew);
}

int ResumeHere(const Options& options, const std::filesystem::path& home, const Reader& reader,
               const EnsembleDocument& document, const std::function<Result<Crew>()>& find_crew) {
  const auto crew = find_crew();
  if (!crew) return EndWith(crew.error());
  const auto fits = CheckOpenGangsFit(reader, document, *crew);
  if (!fits) return EndWith(fits.error());
  const Output output = options.output.Choose();
  NextCommand next = NextAfter(options.coordinator.home, options.slots);
  next.as_ranks = crew->cluster.others.has_value();
  const auto ask = [&](const Client& client) -> Result<std::string> {
    TUTTI_RETURN_IF_ERROR(client.Resume(document.id));
    const std::string summary = crew->summary.empty() ? "" : crew->summary + ".\n";
    Announce(document, output, summary + fmt::format("{} goes on.\n", document.id));
    return document.id;
  };
  const auto spec = reader.Experiment(document.id);
  const LookAhead look_ahead = spec ? LookAheadFor(*spec, *crew) : LookAhead();
  return TrainHere(home, crew->cluster, output, next, ask, look_ahead);
}

int Resume(const Options& options, const std::function<Result<Crew>()>& find_crew) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const Reader reader(*peer);
  const auto json = reader.Ensemble(options.id);
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return EndWith(document.error());
  if (document->state == "finished" && document->problem.empty()) {
    return ShowFinished(*json, *document, HomeHere(*peer), options.output.Choose());
  }
  const auto* home = std::get_if<std::filesystem::path>(&*peer);
  if (home == nullptr || reader.IsServed()) return ResumeElsewhere(options, *peer, *document);
  return ResumeHere(options, *home, reader, *document, find_crew);
}

}  // namespace

void AddResume(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("resume", "Go on with an ensemble that stopped, failed or was cancelled");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  options->coordinator.AddTo(*command);
  options->slots.AddTo(*command);
  options->launch.AddTo(*command);
  options->output.AddFormatTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] {
    chosen = [options] {
      return options->launch.Run(options->slots, [&](const auto& find_crew) { return Resume(*options, find_crew); });
    };
  });
}

}  // namespace tutti::cli
