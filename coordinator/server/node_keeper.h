// Nodes on demand: asks a batch system for nodes while there is work that waits for them, and gives back what idles, as
// core/nodes.h decides.
//
// What there is, the batch system says: its jobs are found by their names, which begin with the home's mark. So nothing
// has to be remembered for a job to be found again, whenever a coordinator was killed; HOME/nodes.json keeps what was
// used and which names were given.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/file_system.h"
#include "common/json.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "coordinator/core/core.h"
#include "coordinator/core/nodes.h"
#include "coordinator/server/batch_system.h"
#include "coordinator/server/estimates.h"
#include "coordinator/server/node_ledger.h"

namespace tutti::server {

class Executor;

struct NodeOptions {
  std::shared_ptr<BatchSystem> batch;
  core::NodeLimits limits;
  Duration poll = std::chrono::seconds(10);  // how often the batch system is asked
};

// All on the coordinator's thread, but for what it hands to `batch`.
class NodeKeeper {
 public:
  struct Surroundings {
    protocol::Post events;                                       // to the coordinator's thread
    protocol::Post batch;                                        // to a thread that may wait for the batch system
    std::function<void(Duration, std::function<void()>)> later;  // on the coordinator's thread
    FileSystem* files = nullptr;
    std::filesystem::path home;
    std::string mark;                 // of the home
    std::function<bool()> is_newest;  // no later coordinator has taken over
  };
  NodeKeeper(Surroundings here, NodeOptions options, Executor& executor);

  // From now on it looks after them. Errors: those of NodeLedger::Read.
  Result<void> Begin();

  // As it was seen last: {"most_nodes", "budget_node_hours", "used_node_hours", "jobs": [{"name", "id", "state",
  // "nodes", "walltime_s", "left_s"}], "trouble", "waiting": [{"job", "reason"}]}
  Json View() const;

 private:
  void Look();
  void LookLater();
  void Complain(const Error& error);
  void NoteRefusal(const Error& error);
  void FindLost(const std::vector<BatchJob>& jobs);
  void Decide(const std::vector<BatchJob>& jobs, const Estimates& estimates);
  core::NodeView MakeView(const Estimates& estimates);
  core::NodeJob See(const BatchJob& job, const std::vector<core::Core::WorkerView>& workers,
                    const Estimates& estimates);
  void TellToLeave(const std::string& job);
  void EndDrainsOfJobsThatEnded();
  void Act(const core::NodeDecision& decision);

  const Surroundings here_;
  const NodeOptions options_;
  const std::string prefix_;
  Executor& executor_;
  NodeLedger ledger_;
  std::string written_;                          // of it
  std::vector<BatchJob> jobs_;                   // as listed last
  std::map<std::string, TimePoint> idle_since_;  // by job
  std::map<JobId, std::string> why_not_;
  std::set<std::string> awaited_;  // jobs that were asked for, and of which no worker has come
  int refusals_ = 0;
  TimePoint refused_at_{};
  std::string trouble_;  // what the batch system said last, where that was no good
};

}  // namespace tutti::server
