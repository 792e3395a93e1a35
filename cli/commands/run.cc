// tutti run FILE
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/experiment.h"
#include "cli/follow.h"
#include "cli/launch_options.h"
#include "cli/reader.h"
#include "cli/submission.h"
#include "coordinator/server/access.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string file;
  HomeOption home;
  std::vector<std::string> overrides;
  bool start_another = false;
  SlotOptions slots;
  LaunchOptions launch;
  OutputOption output;
};

void Announce(const Client::Submitted& submitted, Output output) {
  if (output == Output::kQuiet) Print(submitted.id + "\n");
  if (output != Output::kText) return;
  if (submitted.outcome == "finished") {
    Print(fmt::format("{} has trained this experiment already; --new trains it again.\n", submitted.id));
  } else if (submitted.outcome == "continued") {
    Print(fmt::format("{} goes on where it stopped.\n", submitted.id));
  } else {
    Print(fmt::format("{} starts.\n", submitted.id));
  }
}

// Needs no coordinator, whether one serves the home or not.
int ShowAnswered(const std::filesystem::path& home, const std::string& id, Output output) {
  const auto json = Reader(home).Ensemble(id);
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return EndWith(document.error());
  Announce({id, "finished"}, output);
  return PrintEnd(*json, *document, home, output);
}

Result<std::optional<std::string>> FindAnswered(const std::filesystem::path& home, const Experiment& experiment,
                                                const spec::FileHashes& files) {
  TUTTI_ASSIGN_OR_RETURN(const spec::EnsembleSpec spec, spec::WithCopies(experiment.spec, files));
  return Reader(home).FindAnswered(spec);
}

// A service keeps its home until it is stopped, and says where it listens; another `tutti run` only trains there.
bool IsServed(const std::filesystem::path& home) {
  return Client(home).Answers() && server::ReadWhereabouts(PosixFileSystem(), home);
}

Result<Crew> FindCrewFor(const Experiment& experiment, const std::function<Result<Crew>()>& find_crew) {
  TUTTI_ASSIGN_OR_RETURN(Crew crew, find_crew());
  TUTTI_RETURN_IF_ERROR(CheckGangsFit(experiment.spec, crew));
  return crew;
}

int Train(const Options& options, const std::function<Result<Crew>()>& find_crew) {
  const auto experiment = ReadExperiment(options.file, options.overrides);
  if (!experiment) return kExitUsage;
  auto submission = SubmissionOf(*experiment);
  if (!submission) return EndWith(submission.error());
  if (options.start_another) submission->again = Client::Again::kStartAnother;
  const std::filesystem::path home = options.home.Find();
  const Output output = options.output.Choose();
  if (!options.start_another) {
    // What is wrong with the catalog is told by those who start on it.
    const auto answered = FindAnswered(home, *experiment, submission->files);
    if (answered && *answered) return ShowAnswered(home, **answered, output);
  }
  if (IsServed(home)) {
    return EndWith({ErrorCode::kConflict,
                    fmt::format("a coordinator serves {} and trains what is submitted to it: {}", home.string(),
                                NextAfter(options.home).Submit(options.file)),
                    nullptr});
  }
  const auto crew = FindCrewFor(*experiment, find_crew);
  if (!crew) return EndWith(crew.error());

  NextCommand next = NextAfter(options.home, options.slots);
  next.as_ranks = crew->cluster.others.has_value();
  const auto ask = [&](const Client& client) -> Result<std::string> {
    TUTTI_ASSIGN_OR_RETURN(const Client::Submitted submitted, SubmitWithFiles(client, *submission));
    if (output == Output::kText && !crew->summary.empty()) Print(crew->summary + ".\n");
    Announce(submitted, output);
    return submitted.id;
  };
  return TrainHere(home, crew->cluster, output, next, ask, LookAheadFor(experiment->spec, *crew));
}

}  // namespace

void AddRun(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("run", "Train the ensemble of an experiment file, or go on with it");
  command->add_option("file", options->file, "The experiment")->required()->type_name("FILE");
  command->add_option("--set", options->overrides, "Change a default, as in training.epochs=3; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command->add_flag("--new", options->start_another, "Start another ensemble even if this experiment was trained");
  options->home.AddTo(*command);
  options->slots.AddTo(*command);
  options->launch.AddTo(*command);
  options->output.AddFormatTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] {
    chosen = [options] {
      return options->launch.Run(options->slots, [&](const auto& find_crew) { return Train(*options, find_crew); });
    };
  });
}

}  // namespace tutti::cli
