#include "cli/launch_options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/ranks/launcher_watch.h"

namespace tutti::cli {
namespace {

Result<Crew> FindCrewOfOne(const SlotOptions& slots) {
  Crew crew;
  TUTTI_ASSIGN_OR_RETURN(crew.cluster.inventory, TakeLocalInventory(slots));
  return crew;
}

Result<CrewOptions> OptionsOf(const LaunchOptions& options, const SlotOptions& slots) {
  CrewOptions crew{.slots = slots, .leases = options.leases.settings, .launcher = {}, .listen = {}};
  if (options.launcher != "auto") {
    TUTTI_ASSIGN_OR_RETURN(crew.launcher, worker::ParseLauncher(options.launcher));
  }
  if (options.listen) {
    TUTTI_ASSIGN_OR_RETURN(crew.listen, network::Address::Parse(*options.listen));
    // Its token is not for everybody to read.
    crew.listen->tls = true;
  }
  return crew;
}

}  // namespace

void LaunchOptions::AddTo(CLI::App& command) {
  command
      .add_option("--launcher", launcher,
                  "As one of several ranks: what starts members that are wider than a machine, mpirun or srun, else "
                  "what is there. local: alone on this machine, whatever has started it")
      ->check(CLI::IsMember({"auto", "local", "mpirun", "srun"}).description(""))
      ->type_name("LAUNCHER");
  command.add_option("--listen", listen, "As one of several ranks: where rank 0 waits for the others; port 0: any")
      ->type_name("HOST:PORT");
  leases.AddTo(command);
}

int LaunchOptions::Run(const SlotOptions& slots, const Lead& lead) const {
  // mpirun gives its ranks a terminal of its own making, whatever reads what they print: lines suit both.
  if (worker::CurrentEnvironment().contains("OMPI_COMM_WORLD_SIZE")) {
    ::setenv("TERM", "dumb", 1);
    EndWithLauncher();
  }
  const auto alone = [&] { return lead([&] { return FindCrewOfOne(slots); }); };
  if (launcher == "local") return alone();
  const auto launch = FindOuterLaunch(worker::CurrentEnvironment());
  if (!launch) return IsFollowingRank(worker::CurrentEnvironment()) ? kExitUsage : EndWith(launch.error());
  if (!*launch) return alone();
  const auto crew = OptionsOf(*this, slots);
  if (!crew) return (*launch)->rank > 0 ? kExitUsage : EndWith(crew.error());
  return RunAsRank(**launch, *crew, lead);
}

}  // namespace tutti::cli
