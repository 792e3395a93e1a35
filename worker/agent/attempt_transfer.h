// What travels between the coordinator and an attempt whose home is not the coordinator's: its inputs before it starts;
// then each event waits here until the files that it names are at the coordinator. The trainer goes on meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/event_follower.h"
#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/transfer/courier.h"
#include "worker/transfer/scratch.h"
#include "worker/transfer/sender.h"

namespace tutti::worker {

// What an agent carries files with. It outlives its attempts.
struct Carriage {
  Courier& courier;
  const Sender& sender;
  const ScratchHome& home;
  Duration first_backoff;  // doubled with each failure
  Duration longest_backoff;
  Duration fetch_deadline;  // from the first try to giving up
};

// Not thread-safe: lives on the agent's thread. A coordinator that does not answer, or whose disk is full, is asked
// again and again, as long as the attempt is of use; so is one that knows nothing of it: it may yet take it up.
class AttemptTransfer {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  // `task` is moved to this machine. `changed` is called when something was done; never from inside a call.
  AttemptTransfer(Carriage carriage, FileSystem& files, protocol::Task task, std::function<void()> changed);
  ~AttemptTransfer();
  AttemptTransfer(const AttemptTransfer&) = delete;
  AttemptTransfer& operator=(const AttemptTransfer&) = delete;

  // ---- the way down ----

  enum class Fetch { kNotAsked, kUnderway, kDone, kGivenUp };
  void BeginToFetch(SteadyTime now);
  Fetch fetch() const { return fetch_; }
  const std::string& last_error() const { return last_error_; }  // why it was given up

  // ---- the way up ----

  // Whether more events may be held. Else they stay in their file.
  bool HasRoom() const;
  void Hold(protocol::FollowedEvent event);
  // Those, in order, whose files have arrived.
  std::vector<protocol::FollowedEvent> TakeArrived();
  // Nothing is held, nothing waits to be taken.
  bool IsEmpty() const { return held_.empty() && arrived_.empty(); }
  // Those that were taken are not acknowledged: they are held anew. Files that arrived are not carried again.
  void Restart();
  // After the last event: the rest of the log goes, and what is of no more use here is removed; the newest checkpoint
  // may be, to the next attempt. Repeats change nothing.
  enum class Keep { kNewestCheckpoint, kNoCheckpoint };
  void Finish(Keep keep, SteadyTime now);
  bool finished() const { return finished_; }
  // What can never arrive: the own disk does not give it, or gives something else. The attempt is to be ended; events
  // that were not taken by then never are.
  const std::optional<std::string>& failure() const { return failure_; }

  // Nobody wants the rest: it is finished.
  void Abandon();

  // Tries again what failed.
  void Tick(SteadyTime now);

 private:
  void Do(Courier::Work work, std::function<void(SteadyTime)> succeeded);
  void Carry(Courier::Work work, std::function<void(const Result<void>&, SteadyTime)> done);
  void Next(SteadyTime now);
  void TryFetch();
  void PassOverOldCheckpoints();
  void CarryEvents();
  void CarryLast();
  void CarryLog(SteadyTime now);
  void HandleFailure(const Error& error, SteadyTime now);
  void GiveUp(const Error& error);

  const Carriage carriage_;
  FileSystem& files_;
  const protocol::Task task_;
  const std::function<void()> changed_;
  const std::shared_ptr<AttemptTransfer*> self_;  // null once this is gone: what is on its way may come back later

  bool underway_ = false;
  std::optional<SteadyTime> again_at_;
  Duration backoff_;
  int failures_in_a_row_ = 0;
  int misunderstood_ = 0;  // in a row
  std::string last_error_;

  Fetch fetch_ = Fetch::kNotAsked;
  SteadyTime fetch_by_;

  std::deque<protocol::FollowedEvent> held_;
  std::deque<protocol::FollowedEvent> arrived_;
  int64_t carried_ = 0;            // sequence up to which all files have arrived
  std::set<int64_t> passed_over_;  // sequences of checkpoints that never will: nobody is told of them
  uint64_t log_carried_ = 0;       // bytes
  SteadyTime log_again_at_;
  bool finishing_ = false;
  Keep keep_ = Keep::kNewestCheckpoint;
  bool finished_ = false;
  bool abandoned_ = false;
  std::optional<std::string> failure_;
};

}  // namespace tutti::worker
