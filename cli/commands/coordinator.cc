// tutti coordinator
#include "coordinator/server/coordinator.h"

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/home.h"
#include "cli/lease_options.h"
#include "cli/logging.h"
#include "cli/nodes/allocation_options.h"
#include "cli/signals.h"
#include "coordinator/server/access.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(200);
constexpr const char* kAnyPort = "127.0.0.1:0";
// Nodes find a coordinator that was started again where it was.
constexpr const char* kPortForNodes = "0.0.0.0:7350";

struct Options {
  HomeOption home;
  std::optional<std::string> listen;
  std::optional<std::string> certificate;
  std::optional<std::string> key;
  LeaseOptions leases;
  AllocationOptions allocation;
};

void Announce(const Options& options, const std::filesystem::path& home, const network::Address& address) {
  const std::string quoted = QuoteForShell(home.string());
  Print(
      fmt::format("Serves {} at {}; Ctrl-C ends it, and what workers train goes on.\n"
                  "  a worker that sees this home:  tutti worker --home {}\n"
                  "  work for it:                   tutti submit FILE --home {}\n",
                  home.string(), address.Text(), quoted, quoted));
  const auto fingerprint = network::FingerprintOf(server::IdentityIn(home).certificate);
  if (address.tls && !options.certificate && fingerprint) {
    Print(fmt::format("  its certificate's fingerprint: {}\n", *fingerprint));
  }
}

// Until a signal comes or the coordinator breaks down.
int Serve(server::Coordinator& coordinator, const std::filesystem::path& home, const StopSignals& signals) {
  while (signals.first() == 0) {
    signals.Wait(kPoll);
    if (coordinator.WaitStopped(Duration(0))) {
      const Error ended{ErrorCode::kInternal, "the coordinator has ended by itself", nullptr};
      return EndWith(WithWaysToMakeRoom(coordinator.failure().value_or(ended), home));
    }
  }
  return kExitDone;
}

int RunCoordinator(const Options& options) {
  const std::filesystem::path home = options.home.Find();
  auto address = network::Address::Parse(options.listen.value_or(options.allocation.system ? kPortForNodes : kAnyPort));
  if (!address) return EndWith(address.error());
  auto nodes = options.allocation.Choose(home);
  if (!nodes) return EndWith(nodes.error());
  // From here on a signal ends it in order, also while it starts.
  const StopSignals signals([](int, int) {});
  server::CoordinatorOptions coordinator_options;
  coordinator_options.home = home;
  coordinator_options.core = options.leases.settings;
  if (options.certificate) {
    address->tls = true;
    coordinator_options.identity = network::Identity{*options.certificate, *options.key};
  }
  coordinator_options.listen = *address;
  coordinator_options.nodes = std::move(*nodes);
  const auto coordinator = server::Coordinator::Start(std::move(coordinator_options));
  if (!coordinator) return EndWith(WithWaysToMakeRoom(coordinator.error(), home));
  LogToHome(home);
  Announce(options, home, *(*coordinator)->address());
  return Serve(**coordinator, home, signals);
}

}  // namespace

void AddCoordinator(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("coordinator", "Serve a home: take experiments, and workers to train them");
  options->home.AddTo(*command);
  command
      ->add_option(
          "--listen", options->listen,
          "Where, besides the home's own socket, 127.0.0.1:0 by default, and 0.0.0.0:7350 with --allocate; port 0: "
          "any that is free")
      ->type_name("HOST:PORT");
  CLI::Option* certificate =
      command->add_option("--certificate", options->certificate, "The site's certificate, PEM; one is made without it")
          ->type_name("FILE");
  CLI::Option* key = command->add_option("--key", options->key, "The key of --certificate, PEM")->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
  options->leases.AddAllTo(*command);
  options->allocation.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return RunCoordinator(*options); }; });
}

}  // namespace tutti::cli
