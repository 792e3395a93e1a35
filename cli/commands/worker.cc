// tutti worker
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/gangs.h"
#include "cli/signals.h"
#include "cli/waiting.h"
#include "common/host_name.h"
#include "coordinator/server/access.h"
#include "worker/agent/agent.h"
#include "worker/agent/launch_domain.h"
#include "worker/agent/runtime_folder.h"
#include "worker/agent/worker_name.h"
#include "worker/transfer/scratch.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(200);
// For checkpoints to reach a coordinator that may be away just now: with the worker its copies go.
constexpr Duration kCarryDeadline = std::chrono::minutes(15);
constexpr Duration kStopDeadline = std::chrono::minutes(2);  // longer than trainers get for a checkpoint

struct Options {
  CoordinatorOption coordinator;
  std::optional<std::string> name;
  std::optional<std::string> launch_domain;
  double wait_s = 60;
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

// What the coordinator calls its home is the same folder here: checkpoints go where it looks for them.
bool SeesHome(const Client::Home& home) {
  const auto mark = server::ReadMark(PosixFileSystem(), home.path);
  return mark && *mark == home.mark;
}

// Else a home of its own, between which and the coordinator's files travel.
Result<std::optional<worker::Scratch>> MakeScratch(const Options& options, const Client::Home& home,
                                                   const WorkerId& worker) {
  if (SeesHome(home)) return std::optional<worker::Scratch>();
  const auto folder = options.scratch ? std::filesystem::path(*options.scratch) : worker::DefaultScratchFolder();
  TUTTI_ASSIGN_OR_RETURN(worker::Scratch scratch, worker::Scratch::Make(PosixFileSystem(), folder, home.mark, worker));
  Print(fmt::format("This machine does not see {}: it works in {}, and checkpoints travel to the coordinator.\n",
                    home.path.string(), scratch.home().home.string()));
  return std::optional(std::move(scratch));
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

int RunWorker(const Options& options) {
  const auto inventory = TakeLocalInventory(options.slots);
  if (!inventory) return EndWith(inventory.error());
  // The nodes of a cluster start in any order.
  const auto coordinator =
      AskWithin(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.wait_s)),
                [&] { return FindCoordinator(options.coordinator); });
  if (!coordinator) return EndWith(coordinator.error());
  const auto name =
      worker::WorkerName::Hold(worker::DefaultRuntimeFolder(), coordinator->home.mark, options.name, HostName());
  if (!name) return EndWith(name.error());

  const auto scratch = MakeScratch(options, coordinator->home, name->id());
  if (!scratch) return EndWith(scratch.error());

  worker::AgentOptions agent_options;
  agent_options.id = name->id();
  agent_options.host = HostName();
  agent_options.runtime_folder = worker::DefaultRuntimeFolder();
  agent_options.home = coordinator->home.path;
  if (*scratch) {
    agent_options.home = (*scratch)->home().home;
    agent_options.carry = worker::CarryOptions{.coordinator = coordinator->peer, .home = (*scratch)->home()};
  } else {  // ranks of a gang read and write in one home
    agent_options.launch_domain =
        options.launch_domain.value_or(worker::LaunchDomainOfMachine(agent_options.runtime_folder));
  }
  agent_options.inventory = *inventory;
  const auto agent = worker::Agent::Start(std::move(agent_options));
  if (!agent) return EndWith(agent.error());
  const StopSignals signals([&](int, int count) { count == 1 ? (*agent)->RequestStop() : (*agent)->KillAll(); });
  (*agent)->KeepConnected({.coordinator = coordinator->peer,
                           .tell = [](const std::string& what) { PrintToError(fmt::format("tutti: {}\n", what)); }});
  Print(fmt::format("{} lends {} to {}; Ctrl-C lets its members checkpoint and ends it.\n", name->id().str(),
                    WhatIsLent(*inventory), network::NameOf(coordinator->peer)));
  return Work(**agent, signals, *scratch ? kCarryDeadline : kStopDeadline);
}

}  // namespace

void AddWorker(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("worker", "Lend this machine's slots to a coordinator");
  options->coordinator.AddTo(*command);
  AsSeconds(command->add_option("--wait", options->wait_s, "How long to wait for a coordinator that is not there yet"))
      ->capture_default_str();
  command
      ->add_option("--scratch", options->scratch,
                   "Where it keeps files if it does not see the coordinator's home; ~/.cache/tutti by default")
      ->type_name("DIR");
  command->add_option("--name", options->name, "The worker's name; the host's by default")->type_name("NAME");
  command
      ->add_option("--launch-domain", options->launch_domain,
                   "Workers of one domain share members that need more slots than one has; this machine's by default")
      ->type_name("NAME");
  options->slots.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return RunWorker(*options); }; });
}

}  // namespace tutti::cli
