#include "cli/local_cluster.h"

#include "cli/logging.h"
#include "common/host_name.h"
#include "common/protocol/channel.h"

namespace tutti::cli {
namespace {

constexpr Duration kKillDeadline = std::chrono::seconds(10);

}  // namespace

Result<std::unique_ptr<LocalCluster>> LocalCluster::Start(const std::filesystem::path& home,
                                                          const ClusterOptions& options) {
  // Looked for before anything is written.
  TUTTI_ASSIGN_OR_RETURN(const std::filesystem::path trainer, worker::FindTrainer());
  server::CoordinatorOptions coordinator_options;
  coordinator_options.home = home;
  coordinator_options.core = options.leases;
  // Who asks for one ensemble does not ask for whatever else a killed process left unfinished here.
  coordinator_options.core.interrupted = core::Interrupted::kStop;
  if (options.others) {
    coordinator_options.listen = options.others->listen;
    coordinator_options.tokens = options.others->tokens;
  }
  TUTTI_ASSIGN_OR_RETURN(auto coordinator, server::Coordinator::Start(std::move(coordinator_options)));

  LogToHome(home);
  if (options.others) {
    TUTTI_RETURN_IF_ERROR(
        options.others->invite({coordinator->address()->port, coordinator->fingerprint().value_or("")}));
  }

  worker::AgentOptions agent_options;
  agent_options.host = options.host.empty() ? HostName() : options.host;
  // The same after each start of the program, so that the coordinator knows that what ran here before has ended.
  agent_options.id = WorkerId(agent_options.host);
  // As the coordinator calls it: by that name ranks find their workers.
  agent_options.home = std::filesystem::absolute(home).lexically_normal();
  agent_options.inventory = options.inventory;
  agent_options.trainer = trainer;
  agent_options.launcher = options.launcher;
  agent_options.launch_domain = options.launch_domain;
  TUTTI_ASSIGN_OR_RETURN(auto agent, worker::Agent::Start(std::move(agent_options)));

  auto [coordinators_end, workers_end] = protocol::MakeLocalChannel(coordinator->post(), agent->post());
  coordinator->AttachWorker(std::move(coordinators_end));
  agent->Attach(std::move(workers_end));
  return std::unique_ptr<LocalCluster>(new LocalCluster(std::move(coordinator), std::move(agent)));
}

std::optional<Error> LocalCluster::failure() const {
  if (auto failure = coordinator_->failure()) return failure;
  return agent_->failure();
}

void LocalCluster::KillAll() {
  agent_->KillAll();
  // Past the deadline what is left ends with this process.
  static_cast<void>(agent_->WaitStopped(kKillDeadline));
}

}  // namespace tutti::cli
