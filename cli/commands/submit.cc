// tutti submit FILE
#include "cli/changes.h"
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/experiment.h"
#include "cli/follow.h"
#include "cli/submission.h"
#include "cli/waiting.h"
#include "common/network/secret.h"

namespace tutti::cli {
namespace {

// Progress within an epoch is no event.
constexpr Duration kRefresh{500};
constexpr Duration kLookAgain = std::chrono::seconds(10);
constexpr Duration kRestart = std::chrono::minutes(5);
constexpr Duration kStartOfACoordinator = std::chrono::seconds(10);

struct Options {
  std::string file;
  CoordinatorOption coordinator;
  std::vector<std::string> overrides;
  bool start_another = false;
  std::optional<std::string> key;
  std::optional<int> priority;
  bool wait = false;
  bool follow = false;
  OutputOption output;
};

std::string WhatBecame(const std::string& outcome) {
  if (outcome == "created") return "is submitted";
  if (outcome == "continued" || outcome == "running") return "is there already and goes on";
  return fmt::format("was submitted under this key before and is {}", outcome);
}

void Announce(const Client::Submitted& submitted, const Options& options) {
  const Output output = options.output.Choose();
  if (output == Output::kQuiet) Print(submitted.id + "\n");
  if (output == Output::kJson && !options.wait && !options.follow) {
    Print(Json({{"id", submitted.id}, {"outcome", submitted.outcome}}).dump(2) + "\n");
  }
  if (output != Output::kText) return;
  if (submitted.outcome == "finished") {
    Print(fmt::format("{} has trained this experiment already; --new trains it again.\n", submitted.id));
  } else {
    Print(fmt::format("{} {}; `{}` follows it.\n", submitted.id, WhatBecame(submitted.outcome),
                      NextAfter(options.coordinator).Watch(submitted.id)));
  }
}

// Until the ensemble has ended, as the coordinator tells it.
Result<Json> WaitForEnd(const Client& client, const std::string& id, ProgressDisplay* display) {
  Changes changes(client.peer(), id);
  while (true) {
    // The coordinator may be started again meanwhile.
    TUTTI_ASSIGN_OR_RETURN(Json json, AskWithin(kRestart, [&] { return client.Ensemble(id); }));
    TUTTI_ASSIGN_OR_RETURN(const EnsembleDocument document, ReadEnsemble(json));
    if (document.ended()) return json;
    if (display != nullptr) display->Show(document);
    changes.Await(display != nullptr ? kRefresh : kLookAgain);
  }
}

int Submit(const Options& options) {
  const auto experiment = ReadExperiment(options.file, options.overrides);
  if (!experiment) return kExitUsage;
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  auto submission = SubmissionOf(*experiment);
  if (!submission) return EndWith(submission.error());
  if (options.start_another) submission->again = Client::Again::kStartAnother;
  // Asked again after an answer that was lost, it must not train twice.
  submission->key = options.key.value_or(network::MakeSecret());
  submission->priority = options.priority;
  const Client client(*peer);
  const auto submitted = AskWithin(kStartOfACoordinator, [&] { return SubmitWithFiles(client, *submission); });
  if (!submitted) return EndWith(submitted.error());
  Announce(*submitted, options);
  if (!options.wait && !options.follow) return kExitDone;
  const Output output = options.output.Choose();
  std::optional<ProgressDisplay> display;
  if (options.follow) display.emplace(output);
  const auto json = WaitForEnd(client, submitted->id, display ? &*display : nullptr);
  if (display) display->Close();
  const auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
  if (!document) return EndWith(document.error());
  return PrintEnd(*json, *document, HomeHere(*peer), output);
}

}  // namespace

void AddSubmit(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("submit", "Hand an experiment to the coordinator that serves the home");
  command->add_option("file", options->file, "The experiment")->required()->type_name("FILE");
  command->add_option("--set", options->overrides, "Change a default, as in training.epochs=3; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command->add_flag("--new", options->start_another, "Start another ensemble even if this experiment was trained");
  command->add_option("--key", options->key, "Submitted again with the same key, it is the same ensemble")
      ->check(CLI::Validator([](const std::string& key) { return key.empty() ? "a key is not empty" : ""; }, ""))
      ->type_name("KEY");
  AsPriority(command->add_option("--priority", options->priority, "Ensembles of a higher priority are served first"));
  command->add_flag("--wait", options->wait, "Return when the ensemble has ended, as `tutti run` would");
  command->add_flag("--follow", options->follow, "The same, and show its progress");
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Submit(*options); }; });
}

}  // namespace tutti::cli
