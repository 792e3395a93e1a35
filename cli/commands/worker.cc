// tutti worker
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/gangs.h"
#include "cli/lending.h"
#include "cli/signals.h"
#include "cli/waiting.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(200);
constexpr double kLeastSeconds = 1;

struct Options {
  CoordinatorOption coordinator;
  std::optional<std::string> name;
  std::optional<std::string> launch_domain;
  std::string launcher = "local";
  double wait_s = 60;
  std::optional<double> give_up_s;
  std::optional<std::string> scratch;
  SlotOptions slots;
};

// Where it is, what it asks for, and what it calls its home.
struct Coordinator {
  network::Peer peer;
  Client::Home home;
};

Result<Coordinator> FindCoordinator(const CoordinatorOption& option) {
  Coordinator coordinator;
  TUTTI_ASSIGN_OR_RETURN(coordinator.peer, option.Find());
  TUTTI_ASSIGN_OR_RETURN(coordinator.home, Client(coordinator.peer).FindHome());
  return coordinator;
}

// Until a signal comes or the worker cannot go on.
int Work(worker::Agent& agent, const StopSignals& signals, Duration stop_deadline) {
  while (signals.first() == 0) {
    signals.Wait(kPoll);
    if (const auto failure = agent.failure()) {
      agent.RequestStop();
      (void)agent.WaitStopped(stop_deadline);
      return EndWith(*failure);
    }
  }
  const auto stopped = agent.WaitStopped(stop_deadline);
  if (!stopped) return EndWith(stopped.error());
  return ExitCodeOfSignal(signals.first());
}

// "4 slots", "2 slots on 2 GPUs (NVIDIA A100-SXM4-40GB)"
std::string WhatIsLent(const worker::Inventory& inventory) {
  const std::string slots = inventory.slots == 1 ? "1 slot" : fmt::format("{} slots", inventory.slots);
  return inventory.gpus.empty() ? slots : fmt::format("{} on {}", slots, worker::Describe(inventory.gpus));
}

Duration AsDuration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Result<worker::Launcher> FindLauncher(const std::string& name) {
  TUTTI_ASSIGN_OR_RETURN(const worker::Launcher asked, worker::ParseLauncher(name));
  return worker::ChooseLauncher(asked, worker::CurrentEnvironment(), 1);
}

int RunWorker(const Options& options) {
  const auto inventory = TakeLocalInventory(options.slots);
  if (!inventory) return EndWith(inventory.error());
  const auto launcher = FindLauncher(options.launcher);
  if (!launcher) return EndWith(launcher.error());
  // The nodes of a cluster start in any order.
  const auto coordinator = AskWithin(AsDuration(options.wait_s), [&] { return FindCoordinator(options.coordinator); });
  if (!coordinator) return EndWith(coordinator.error());
  auto lending = Lending::Start(
      {.coordinator = coordinator->peer,
       .home = coordinator->home,
       .inventory = *inventory,
       .name = options.name,
       .scratch = options.scratch,
       .launch_domain = options.launch_domain,
       .launcher = *launcher,
       .longest_absence = options.give_up_s ? std::optional(AsDuration(*options.give_up_s)) : std::nullopt});
  if (!lending) return EndWith(lending.error());
  if (const auto scratch = lending->scratch()) {
    Print(fmt::format("This machine does not see {}: it works in {}, and checkpoints travel to the coordinator.\n",
                      coordinator->home.path.string(), scratch->string()));
  }
  worker::Agent& agent = lending->agent();
  const StopSignals signals([&](int, int count) { count == 1 ? agent.RequestStop() : agent.KillAll(); });
  lending->Connect([](const std::string& what) { PrintToError(fmt::format("tutti: {}\n", what)); });
  Print(fmt::format("{} lends {} to {}; Ctrl-C lets its members checkpoint and ends it.\n", lending->name(),
                    WhatIsLent(*inventory), network::NameOf(coordinator->peer)));
  return Work(agent, signals, lending->stop_deadline());
}

}  // namespace

void AddWorker(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("worker", "Lend this machine's slots to a coordinator");
  options->coordinator.AddTo(*command);
  AsSeconds(command->add_option("--wait", options->wait_s, "How long to wait for a coordinator that is not there yet"))
      ->capture_default_str();
  AsSeconds(command->add_option("--give-up", options->give_up_s,
                                "End, with checkpoints, once the coordinator was gone for so long; by default it is "
                                "waited for"),
            kLeastSeconds);
  command
      ->add_option("--scratch", options->scratch,
                   "Where it keeps files if it does not see the coordinator's home; ~/.cache/tutti by default")
      ->type_name("DIR");
  command->add_option("--name", options->name, "The worker's name; the host's by default")->type_name("NAME");
  command
      ->add_option("--launch-domain", options->launch_domain,
                   "Workers of one domain share members that need more slots than one has; this machine's by default")
      ->type_name("NAME");
  command
      ->add_option("--launcher", options->launcher,
                   "What starts members across the machines of its launch domain: mpirun or srun; local by default: "
                   "they stay on one machine")
      ->type_name("LAUNCHER");
  options->slots.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return RunWorker(*options); }; });
}

}  // namespace tutti::cli
