// tutti worker
#include <cstdlib>

#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/gangs.h"
#include "cli/signals.h"
#include "cli/waiting.h"
#include "common/host_name.h"
#include "common/network/secret.h"
#include "coordinator/server/access.h"
#include "worker/agent/agent.h"
#include "worker/agent/runtime_folder.h"
#include "worker/agent/worker_name.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(200);
constexpr Duration kStopDeadline = std::chrono::minutes(2);  // longer than trainers get for a checkpoint

struct Options {
  HomeOption home;
  std::optional<std::string> server;
  std::optional<std::string> token_file;
  std::optional<std::string> fingerprint;
  std::optional<std::string> name;
  int wait_s = 60;
  SlotOptions slots;
};

// Where it is, what it asks for, and the home that it shares with this machine.
struct Coordinator {
  network::Remote remote;
  std::filesystem::path home;
};

Result<std::string> FindToken(const Options& options, const std::filesystem::path& home) {
  if (options.token_file) return network::ReadSecret(*options.token_file);
  const char* given = std::getenv("TUTTI_TOKEN");
  if (given != nullptr && *given != '\0') return std::string(given);
  auto token = network::ReadSecret(server::OperatorTokenFile(home));
  if (token || token.error().code != ErrorCode::kNotFound) return token;
  return FailBecause(token.error(), "there is no token to enter with; --token-file or TUTTI_TOKEN names it");
}

Result<network::Remote> FindRemote(const Options& options, const std::filesystem::path& home) {
  if (!options.server) return server::ReadRemote(PosixFileSystem(), home);
  network::Remote remote;
  TUTTI_ASSIGN_OR_RETURN(remote.address, network::Address::Parse(*options.server));
  TUTTI_ASSIGN_OR_RETURN(remote.token, FindToken(options, home));
  remote.fingerprint = options.fingerprint;
  return remote;
}

// Checkpoints go where the coordinator looks for them: what it calls its home must be the same folder here.
Result<std::filesystem::path> FindSharedHome(const Client& client) {
  TUTTI_ASSIGN_OR_RETURN(const Client::Home home, client.FindHome());
  const auto mark = server::ReadMark(PosixFileSystem(), home.path);
  if (mark && *mark == home.mark) return home.path;
  return Fail(
      ErrorCode::kNotFound,
      "this machine does not see the coordinator's home {}: workers write their checkpoints there; mount it under "
      "the same path",
      home.path.string());
}

Result<Coordinator> FindCoordinator(const Options& options, const std::filesystem::path& home) {
  Coordinator coordinator;
  TUTTI_ASSIGN_OR_RETURN(coordinator.remote, FindRemote(options, home));
  TUTTI_ASSIGN_OR_RETURN(coordinator.home, FindSharedHome(Client(coordinator.remote)));
  return coordinator;
}

// Until a signal comes or the worker cannot go on.
int Work(worker::Agent& agent, const StopSignals& signals) {
  while (signals.first() == 0) {
    signals.Wait(kPoll);
    if (const auto failure = agent.failure()) return EndWith(*failure);
  }
  const auto stopped = agent.WaitStopped(kStopDeadline);
  if (!stopped) return EndWith(stopped.error());
  return ExitCodeOfSignal(signals.first());
}

int RunWorker(const Options& options) {
  const auto inventory = TakeLocalInventory(options.slots);
  if (!inventory) return EndWith(inventory.error());
  // The nodes of a cluster start in any order.
  const auto coordinator =
      AskWithin(std::chrono::seconds(options.wait_s), [&] { return FindCoordinator(options, options.home.Find()); });
  if (!coordinator) return EndWith(coordinator.error());
  const auto name = worker::WorkerName::Hold(worker::DefaultRuntimeFolder(), options.name, HostName());
  if (!name) return EndWith(name.error());

  worker::AgentOptions agent_options;
  agent_options.id = name->id();
  agent_options.host = HostName();
  agent_options.home = coordinator->home;
  agent_options.inventory = *inventory;
  const auto agent = worker::Agent::Start(std::move(agent_options));
  if (!agent) return EndWith(agent.error());
  const StopSignals signals([&](int, int count) { count == 1 ? (*agent)->RequestStop() : (*agent)->KillAll(); });
  (*agent)->KeepConnected({.coordinator = coordinator->remote});
  Print(fmt::format("{} lends {} to the coordinator at {}; Ctrl-C lets its members checkpoint and ends it.\n",
                    name->id().str(), inventory->slots == 1 ? "1 slot" : fmt::format("{} slots", inventory->slots),
                    coordinator->remote.address.Text()));
  return Work(**agent, signals);
}

}  // namespace

void AddWorker(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("worker", "Lend this machine's slots to a coordinator");
  options->home.AddTo(*command);
  command->add_option("--server", options->server, "The coordinator; the one that serves the home by default")
      ->type_name("HOST:PORT");
  command
      ->add_option("--fingerprint", options->fingerprint,
                   "SHA-256 of the certificate that --server must show; else this machine's authorities vouch for it")
      ->type_name("HEX");
  command
      ->add_option("--token-file", options->token_file,
                   "The file of the operator's token; else TUTTI_TOKEN, else the home's")
      ->type_name("FILE");
  command->add_option("--wait", options->wait_s, "How long to wait for a coordinator that is not there yet")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->type_name("SECONDS");
  command->add_option("--name", options->name, "The worker's name; the host's by default")->type_name("NAME");
  options->slots.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return RunWorker(*options); }; });
}

}  // namespace tutti::cli
