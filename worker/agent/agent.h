// The agent: it lends the slots of its node, runs the attempts that the coordinator grants to them and tells what
// becomes of each.
//
// Trainers never outlive it: when the process that holds an agent dies, however it dies, its trainers die too. (Of what
// a trainer itself has started this holds for gangs only, and for every other end than the holder's SIGKILL.)
//
// Thread-safe. All its work happens on one thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/ids.h"
#include "common/protocol/channel.h"
#include "common/result.h"
#include "worker/agent/coordinator_link.h"
#include "worker/agent/inventory.h"
#include "worker/launch/launcher.h"
#include "worker/transfer/scratch.h"

namespace tutti::worker {

// For a worker that does not see the coordinator's home: files travel between that and a home of its own.
struct CarryOptions {
  network::Peer coordinator;                     // with the operator's token
  ScratchHome home;                              // outlives the agent
  Duration deadline = std::chrono::seconds(30);  // for a connection, and for each request with its answer
  Duration first_backoff = std::chrono::milliseconds(500);
  Duration longest_backoff = std::chrono::seconds(15);
  Duration fetch_deadline = std::chrono::minutes(10);  // for what an attempt needs to start
};

// What a worker that connects by itself does when its coordinator ends: it checkpoints and waits for the next one, or
// it leaves.
enum class Serves { kAnyCoordinator, kOneCoordinator };

struct AgentOptions {
  WorkerId id;                           // "n1"
  std::string host;                      // as people call the machine
  std::string launch_domain;             // empty: a domain of its own, gangs stay on this worker
  std::filesystem::path home;            // absolute; where trainers run
  std::filesystem::path runtime_folder;  // empty: DefaultRuntimeFolder(), runtime_folder.h
  Inventory inventory;                   // TakeLocalInventory, device_choice.h
  std::filesystem::path trainer;         // empty: FindTrainer()
  std::filesystem::path tutti;           // what gangs start as `tutti rank`; empty: the running program
  std::filesystem::path mpirun = "mpirun";
  Launcher launcher = Launcher::kLocal;  // of gangs that it leads
  Serves serves = Serves::kAnyCoordinator;
  Duration heartbeat = std::chrono::seconds(2);
  Duration events_poll = std::chrono::milliseconds(100);    // how often new events are looked for
  Duration start_deadline = std::chrono::seconds(60);       // for all ranks of a gang to come up
  Duration grant_deadline = std::chrono::seconds(10);       // for the grant of a rank that came before it
  Duration checkpoint_deadline = std::chrono::seconds(60);  // from being asked to stop to being killed
  Duration kill_deadline = std::chrono::seconds(5);         // for a gang's launcher to clean up after itself
  uint64_t log_limit_bytes = uint64_t{64} << 20;            // of each attempt's log.txt
  std::optional<CarryOptions> carry = {};                   // `home` is then carry->home.home
};

// TUTTI_TRAINER, or tutti-trainer beside the running program. kNotFound says what to do.
Result<std::filesystem::path> FindTrainer();

class Agent {
 public:
  // kDenied: the runtime folder belongs to someone else or lets others in. kNotFound: no trainer.
  static Result<std::unique_ptr<Agent>> Start(AgentOptions options);

  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  // Kills what is left, within the kill deadline, and closes the channel.
  ~Agent();

  // Runs functions on the agent's thread: for the end of the channel that it is given. Those that come when the agent
  // is gone, and those that did not run before, are dropped.
  protocol::Post post() const;

  // Speaks through `channel` from now on: says Hello, then, once welcome, everything about its attempts that was not
  // acknowledged. A former channel is closed. Its end's handlers must run on post().
  void Attach(std::shared_ptr<protocol::Channel> channel);

  // Connects to a coordinator over the network, and again after every loss, as long as the agent lives; trainers go on
  // while nobody is connected. Called once, in place of Attach. That it connects no more is told by failure().
  void KeepConnected(LinkOptions options);

  // Asks every trainer to checkpoint and end, and starts nothing any more. The channel stays open, for the last words.
  void RequestStop();
  // Kills every trainer at once.
  void KillAll();
  // Until RequestStop, KillAll or the coordinator's Leave, where that is to end it, has ended all attempts and their
  // slots are free. kTimeout; that of failure().
  Result<void> WaitStopped(Duration deadline);
  // Why it has ended by itself, with all its trainers: it ran out of memory, or has a bug. Or why the coordinator has
  // refused it: kConflict; kDenied, kInvalid, as CoordinatorLink says.
  std::optional<Error> failure() const;

 private:
  struct Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::worker
