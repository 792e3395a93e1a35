// A worker for a coordinator that this process does not hold: what `tutti worker` and the ranks of a launch lend with.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/client.h"
#include "common/clock.h"
#include "common/network/peer.h"
#include "common/result.h"
#include "worker/agent/agent.h"
#include "worker/agent/worker_name.h"
#include "worker/transfer/scratch.h"

namespace tutti::cli {

struct LendingOptions {
  network::Peer coordinator;
  Client::Home home;  // as the coordinator calls it
  worker::Inventory inventory;
  std::optional<std::string> name = {};           // none: the first free of `base_name`, `base_name`-2...
  std::string base_name = {};                     // empty: the host's
  std::string host = {};                          // as launchers know it; empty: as the machine calls itself
  std::optional<std::string> scratch = {};        // where it does not see the home; none: the default
  std::optional<std::string> launch_domain = {};  // none: that of the machine
  worker::Launcher launcher = worker::Launcher::kLocal;
  worker::Serves serves = worker::Serves::kAnyCoordinator;
  std::optional<Duration> longest_absence = {};  // of the coordinator; none: for ever
};

class Lending {
 public:
  // Starts a worker, which does not connect yet. Errors: those of WorkerName::Hold, Scratch::Make and Agent::Start.
  static Result<Lending> Start(LendingOptions options);

  const std::string& name() const { return name_.id().str(); }
  worker::Agent& agent() { return *agent_; }
  // The home that it works in where it does not see the coordinator's, with which files travel.
  std::optional<std::filesystem::path> scratch() const;
  // How long it may take to end in order: checkpoints may have to travel.
  Duration stop_deadline() const;
  // `tell`: what becomes of the connection, a sentence each time that it changes.
  void Connect(std::function<void(const std::string&)> tell);

 private:
  Lending(LendingOptions options, worker::WorkerName name, std::unique_ptr<worker::Scratch> scratch,
          std::unique_ptr<worker::Agent> agent);

  LendingOptions options_;
  worker::WorkerName name_;
  std::unique_ptr<worker::Scratch> scratch_;  // the agent's as long as that lives
  std::unique_ptr<worker::Agent> agent_;
};

}  // namespace tutti::cli
