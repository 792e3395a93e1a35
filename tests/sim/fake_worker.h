// A worker and its trainers, as far as a coordinator can see them.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/protocol/channel.h"
#include "coordinator/core/effects.h"
#include "tests/sim/agenda.h"

namespace tutti::sim {

inline constexpr int64_t kTotalSteps = 6;
inline constexpr int64_t kStepsPerEpoch = 2;

// What lies on the disk that all share.
struct Disk {
  std::set<CheckpointKey> checkpoints;
  std::set<CheckpointKey> damaged;
  std::map<JobId, int> highest_attempt;  // that has a folder
  std::map<AttemptId, std::vector<protocol::AttemptEvent>> events;
};

enum class Chaos { kOn, kOff };

// What is the matter of the whole cluster.
struct Surroundings {
  Agenda& agenda;
  Disk& disk;
  const Chaos& chaos;
  // Hands a message of a worker to its connection; dropped when there is none.
  std::function<void(const WorkerId&, protocol::FromWorker)> send;
  // A rank on this worker ended, or the worker died: the ranks elsewhere end.
  std::function<void(const WorkerId&, const AttemptId&, const std::vector<SlotId>&)> gang_ended;
  // Whether the first of them, which leads the attempt, can run a rank of it on the other.
  std::function<bool(const WorkerId&, const WorkerId&, const AttemptId&)> lends;
  // Whether the coordinator believes that the attempt lives.
  std::function<bool(const AttemptId&)> is_live;
};

class FakeWorker {
 public:
  FakeWorker(Surroundings& surroundings, WorkerId id, int slots, std::string domain);

  const WorkerId& id() const { return id_; }
  Incarnation incarnation() const { return incarnation_; }
  bool alive() const { return alive_; }
  bool idle() const { return attempts_.empty(); }
  bool lends(const AttemptId& attempt) const { return attempts_.contains(attempt); }
  // Attempts that this worker leads with ranks on the other.
  std::vector<AttemptId> SharedWith(const WorkerId& other) const;

  void Die();
  void Rise();   // as a new incarnation
  void Leave();  // it was asked to stop by a signal

  protocol::Hello MakeHello() const;
  void HandleWelcome();  // tells again what was not acknowledged
  void HandleConnectionLost() { joined_ = false; }
  void HandleGrant(const protocol::GrantSlots& grant);
  void HandleStart(const core::StartAttempt& start);
  void HandleStop(const protocol::StopAttempt& stop);
  void HandleAcknowledge(const protocol::Acknowledge& acknowledge);
  // The attempt's leader ended: the ranks here do, too.
  void HandleGangEnded(const AttemptId& attempt);
  // A rank of an attempt that this worker leads is gone.
  void HandleRankGone(const AttemptId& attempt);

 private:
  struct Line {
    int64_t sequence = 0;
    protocol::TrainerEvent event;
  };
  struct Attempt {
    std::vector<int> slots;
    std::vector<SlotId> gang;
    JobKind kind = JobKind::kTrain;
    bool leader = false;
    bool started = false;
    bool ended = false;
    bool stop_asked = false;
    bool stale = false;  // its coordinator knows that it has ended
    int exit_code = 0;
    int64_t step = 0;
    int64_t crash_at = -1;
    int crash_code = 0;
    std::vector<Line> log;
    int64_t acknowledged = 0;
    // What was told since the last Welcome.
    bool told_start = false, told_exit = false, told_free = false;
    size_t told_lines = 0;
  };

  Attempt* Find(const AttemptId& id);
  // Calls `action` later, when this process and the attempt are still there and the attempt has not ended.
  void Later(const AttemptId& id, Duration delay, std::function<void(Attempt&)> action);
  void CheckSlotsAreFree(const AttemptId& attempt, const std::vector<int>& slots) const;
  void Renounce(const core::StartAttempt& start);
  void DrawFate(Attempt& attempt);
  void Work(const AttemptId& id, Attempt& attempt);
  void Inspect(const AttemptId& id, Attempt& attempt);
  void TrainStep(const AttemptId& id, Attempt& attempt);
  void Checkpoint(const AttemptId& id, Attempt& attempt);
  void Finish(const AttemptId& id, Attempt& attempt);
  void Write(const AttemptId& id, Attempt& attempt, protocol::TrainerEvent event);
  void End(const AttemptId& id, Attempt& attempt, int exit_code);
  void Report(const AttemptId& id, Attempt& attempt);
  void ReportAll();

  Surroundings& surroundings_;
  WorkerId id_;
  int slots_;
  std::string domain_;
  Incarnation incarnation_{1};
  bool alive_ = true;
  bool joined_ = false;
  bool leaving_ = false;
  std::map<AttemptId, Attempt> attempts_;
};

}  // namespace tutti::sim
