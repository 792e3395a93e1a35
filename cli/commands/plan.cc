// tutti plan FILE
#include "cli/render/plan.h"
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/experiment.h"
#include "cli/gangs.h"
#include "common/host_name.h"
#include "coordinator/core/forecast.h"
#include "coordinator/server/forecast_view.h"
#include "worker/agent/inventory.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string file;
  std::vector<std::string> overrides;
  std::optional<int> priority;
  CoordinatorOption coordinator;
  OutputOption output;
};

// As `tutti run` would train it here: nobody else's members, and nothing known of how long they take.
Result<core::Forecast> PlanHere(const spec::EnsembleSpec& spec) {
  TUTTI_ASSIGN_OR_RETURN(const worker::Inventory inventory, TakeLocalInventory({}));
  const TimePoint now = SystemClock().Now();
  core::Core core(core::Settings(), Generation{1});
  protocol::Hello hello;
  hello.worker = WorkerId(HostName());
  hello.slots = inventory.slots;
  hello.slot_memory_bytes = inventory.slot_memory_bytes;
  (void)core.Handle(core::WorkerJoined{hello}, now);
  const core::EnsembleSubmitted planned{EnsembleId(".plan"), spec, "", 0};
  const auto unknown = [](const JobId&) { return std::optional<Duration>(); };
  return core::ForecastOf(std::move(core), planned, unknown, now);
}

struct Planned {
  core::Forecast forecast;
  std::string where;
};

Result<Planned> MakePlan(const Options& options, const spec::EnsembleSpec& spec) {
  TUTTI_ASSIGN_OR_RETURN(const network::Peer peer, options.coordinator.Find());
  const auto asked = Client(peer).Plan(spec::ToJson(spec), options.priority);
  if (asked) {
    TUTTI_ASSIGN_OR_RETURN(core::Forecast forecast, server::ForecastFromView(*asked));
    return Planned{std::move(forecast), network::NameOf(peer)};
  }
  const bool elsewhere = std::holds_alternative<network::Remote>(peer);
  if (elsewhere || asked.error().code != ErrorCode::kUnreachable) return tl::unexpected<Error>(asked.error());
  TUTTI_ASSIGN_OR_RETURN(core::Forecast forecast, PlanHere(spec));
  return Planned{std::move(forecast), "`tutti run` on this machine"};
}

int Plan(const Options& options) {
  const auto experiment = ReadExperiment(options.file, options.overrides);
  if (!experiment) return kExitUsage;
  const auto planned = MakePlan(options, experiment->spec);
  if (!planned) return EndWith(planned.error());
  if (options.output.Choose() == Output::kJson) {
    Print(server::ForecastView(planned->forecast).dump(2) + "\n");
    return kExitDone;
  }
  Print(RenderPlan(planned->forecast, planned->where, OutputPage()));
  return kExitDone;
}

}  // namespace

void AddPlan(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("plan", "Say what of an experiment would start where, and when");
  command->add_option("file", options->file, "The experiment")->required()->type_name("FILE");
  command->add_option("--set", options->overrides, "Change a default, as in training.epochs=3; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  AsPriority(command->add_option("--priority", options->priority, "Ensembles of a higher priority are served first"));
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Plan(*options); }; });
}

}  // namespace tutti::cli
