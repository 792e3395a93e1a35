// A coordinator and one worker in this process: what `tutti run` and `tutti resume` work with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "coordinator/server/coordinator.h"
#include "worker/agent/agent.h"

namespace tutti::cli {

// Where the coordinator is to be found by workers in other processes.
struct ClusterAddress {
  uint16_t port = 0;
  std::string fingerprint;
};

// Workers in other processes, which come by themselves.
struct OtherWorkers {
  network::Address listen;  // for them
  server::Tokens tokens;    // that they are let in with
  // Called once the coordinator listens, before anything is forked: tells them. What it fails with ends the start.
  std::function<Result<void>(const ClusterAddress&)> invite;
};

struct ClusterOptions {
  worker::Inventory inventory;  // of this process's own worker
  std::optional<OtherWorkers> others = {};
  worker::Launcher launcher = worker::Launcher::kLocal;
  std::string launch_domain = {};  // that own worker and others may share; empty: a domain of its own
  core::Settings leases = {};
  std::string host = {};  // as launchers know it; empty: as the machine calls itself
};

// Thread-safe.
class LocalCluster {
 public:
  // Trains what it is asked for through the API, and nothing else that the home may hold.
  // Errors: those of Coordinator::Start (kConflict: another serves the home) and Agent::Start (kNotFound: no trainer);
  // those of `invite`.
  static Result<std::unique_ptr<LocalCluster>> Start(const std::filesystem::path& home, const ClusterOptions& options);

  // Members checkpoint and stop, then the coordinator ends. Repeats change nothing.
  void RequestStop() { coordinator_->RequestStop(); }
  // Ends every trainer at once, without a checkpoint.
  void KillAll();
  // True once the coordinator has ended; false when `deadline` passed before.
  bool WaitStopped(Duration deadline) { return coordinator_->WaitStopped(deadline); }
  // Why nothing will be trained any more: the coordinator or the worker ended by itself, or the one refused the other.
  std::optional<Error> failure() const;

 private:
  LocalCluster(std::unique_ptr<server::Coordinator> coordinator, std::unique_ptr<worker::Agent> agent)
      : coordinator_(std::move(coordinator)), agent_(std::move(agent)) {}

  // The agent is destroyed first: what it says last is still heard.
  std::unique_ptr<server::Coordinator> coordinator_;
  std::unique_ptr<worker::Agent> agent_;
};

}  // namespace tutti::cli
