// One attempt that this worker leads: its processes, its events, and what the coordinator was told of them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/channel.h"
#include "common/protocol/event_follower.h"
#include "worker/agent/attempt_transfer.h"
#include "worker/agent/inventory.h"
#include "worker/launch/launcher.h"
#include "worker/launch/process.h"
#include "worker/launch/rank_server.h"
#include "worker/launch/supervision.h"

namespace tutti::worker {

// What an attempt's processes are started and ended with.
struct LaunchSettings {
  WorkerId worker;
  std::filesystem::path home;
  std::filesystem::path trainer;
  std::filesystem::path tutti;
  std::filesystem::path mpirun;
  Launcher launcher = Launcher::kLocal;
  std::filesystem::path meeting_folder;  // where ranks find the workers of this node
  std::filesystem::path runtime_folder;  // of this agent
  Inventory inventory;
  Duration start_deadline{};
  Duration checkpoint_deadline{};
  Duration kill_deadline{};
  uint64_t log_limit_bytes = 0;
};

// Those of one worker, in the order of ranks.
std::vector<int> SlotsOf(const WorkerId& worker, const std::vector<SlotId>& gang);

// Whether a worker on this host can lead this gang: rank 0 is its own, all were there when the start was sent, and are
// where the launcher reaches. kInvalid.
Result<void> CheckGang(const protocol::StartAttempt& start, const WorkerId& leader, const std::string& host,
                       Launcher launcher);

// What an attempt uses of the agent, which outlives it.
struct AttemptSurroundings {
  boost::asio::io_context& context;
  Spawner& spawner;
  RankServer& ranks;
  FileSystem& files;
  const LaunchSettings& settings;
  std::function<void()> changed;       // something is to be told; never called from inside a call
  const Carriage* carriage = nullptr;  // where the home is not the coordinator's
};

// Not thread-safe: lives on the agent's thread.
class LedAttempt {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  using Tell = std::function<void(protocol::FromWorker)>;

  // `gang` in the order of ranks, with the host of each; rank 0 is this worker's.
  LedAttempt(AttemptSurroundings surroundings, protocol::Task task, std::vector<SlotId> gang,
             std::vector<std::string> hosts = {});
  // Kills what still runs.
  ~LedAttempt();
  LedAttempt(const LedAttempt&) = delete;
  LedAttempt& operator=(const LedAttempt&) = delete;

  // Starts the trainer, or the launcher of the gang, whose ranks here must all have come by the start deadline; those
  // elsewhere have their own workers' deadline. With a carriage once its inputs have come. What goes wrong is told as
  // AttemptFailedToStart.
  void Launch();
  // Ends it without a start.
  void RefuseToStart(std::string reason);
  // Asks for a checkpoint and the end; after the checkpoint deadline it is killed. Repeats change nothing.
  void RequestCheckpoint(SteadyTime now);
  // Ends it at once. A gang's launcher has until the kill deadline to clean up.
  void Kill(SteadyTime now);
  // The same; and what has not been carried to the coordinator by now never is.
  void Discard(SteadyTime now);
  // Looks after deadlines.
  void Tick(SteadyTime now);

  // A rank has come: what it becomes.
  Result<RankOrders> Admit(int rank);
  void HandleRanksGone();

  // Tells what has not been told since the last Rejoin: start, events, exit, free slots.
  void Report(const Tell& tell);
  // The coordinator knows nothing but what it acknowledged.
  void Rejoin();
  void Acknowledge(int64_t sequence);

  const AttemptId& id() const { return task_.attempt; }
  // This worker's.
  const std::vector<int>& slots() const { return slots_; }
  // Nothing of it runs any more.
  bool gone() const { return phase_ == Phase::kGone; }
  // It is gone and the coordinator was told all.
  bool told_all() const { return told_ == Told::kAll; }

 private:
  enum class Phase { kNew, kRunning, kExited, kGone };
  enum class Stop { kNone, kCheckpoint, kKill };
  enum class Told { kNothing, kStarted, kEnded, kAll };  // each with those before

  bool is_gang() const { return gang_.size() > 1; }
  bool TakesSignals() const;
  void LaunchNow();
  void TickTransfer(SteadyTime now);
  Result<void> TryLaunch();
  Result<Command> MakeCommand() const;
  std::filesystem::path LauncherFolder() const;
  void RemoveLauncherFolder();
  void GiveUpStart(SteadyTime now);
  void AskIfDue(SteadyTime now);
  void HandleExit(int exit_code);
  void HandleGroupGone();
  void BecomeGoneIfAllAre();
  void ReportEvents(const Tell& tell);
  void ReadEvents(const Tell& tell);
  bool AllIsSaid() const;
  void ReportEnd(const Tell& tell);
  std::string WithCure(std::string error) const;

  AttemptSurroundings surroundings_;
  protocol::Task task_;
  std::vector<SlotId> gang_;
  const std::vector<std::string> hosts_;  // of each rank
  std::vector<int> slots_;
  protocol::EventFollower events_;
  int64_t acknowledged_ = 0;
  std::unique_ptr<AttemptTransfer> transfer_;  // where the home is not the coordinator's
  std::unique_ptr<Supervision> process_;

  Phase phase_ = Phase::kNew;
  bool group_gone_ = false;
  std::optional<std::string> start_error_;
  std::set<int> came_;                  // ranks on this worker
  std::optional<SteadyTime> start_by_;  // for them to come
  int exit_code_ = 0;
  std::string last_log_lines_;

  Stop stop_ = Stop::kNone;
  bool listens_ = false;                // its first event has come: it takes requests for a checkpoint
  std::optional<SteadyTime> ask_at_;    // for a checkpoint, by SIGUSR1
  int failed_reads_ = 0;                // of events, in a row
  std::optional<SteadyTime> kill_at_;   // Kill()
  std::optional<SteadyTime> force_at_;  // SIGKILL to whatever is left
  Told told_ = Told::kNothing;
};

}  // namespace tutti::worker
