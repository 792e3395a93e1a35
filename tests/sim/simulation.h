// A whole cluster in one thread: the real core, fake workers, a network that delays, drops, repeats and reorders, a
// disk that stays. Any two are parted, a coordinator from a worker or worker from worker; workers die, stall, come back
// before they were missed, and lie. A coordinator dies before its commit, between commit and effects, between two
// effects. One seed makes one course of events.
//
// For a while chaos reigns; then nothing fails any more, and every ensemble must come to its end.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "tests/coordinator/core/ledger.h"
#include "tests/sim/agenda.h"
#include "tests/sim/fake_worker.h"
#include "tests/sim/mistakes.h"

namespace tutti::sim {

struct Outcome {
  std::optional<std::string> violation;
  int events = 0;
  int restarts = 0;  // of coordinators
  int replaced = 0;  // attempts beyond the first of a job
  int finished = 0;  // members
  int removed = 0;   // ensembles
  int damaged = 0;   // checkpoints
  int lies = 0;
  int left = 0;    // workers that were asked to stop
  int parted = 0;  // gangs that lost a rank behind a broken network
};

class Simulation {
 public:
  Simulation(uint64_t seed, Mistake mistake);
  Outcome Run();

 private:
  struct Connection {
    int number = 0;  // of connections of this worker so far; messages of former ones are dropped
    bool up = false;
    int known = 0;                        // the connection that the coordinator has a Hello of
    TimePoint to_coordinator, to_worker;  // when the last message of each direction arrives
    bool silent = false;                  // nothing passes, and neither end has noticed
  };

  void Build();
  void Live();
  void Calm();
  bool AllEnded() const;
  void CheckTheEnd();
  void CheckEpochs(const JobId& job) const;
  std::string WhatIsLeft() const;

  // ---- the coordinator ----
  void StartCoordinator();
  void KillCoordinator();
  void Handle(const core::Event& event);
  void HandleOne(const core::Event& event);
  void Commit(const std::vector<core::Effect>& effects);
  void Perform(const core::Effect& effect);
  void PerformAcknowledgements(const std::vector<core::Effect>& effects);
  void PlanTick();
  // Calls the core with an event that an effect leads to, if this coordinator still lives then.
  void Answer(std::function<core::Event()> event);
  void Tell(const core::Tell& effect);
  void Start(const core::StartAttempt& effect);
  void CheckProgress(const core::StartAttempt& effect) const;
  void CheckCombination(const core::Combine& effect) const;
  core::FoldersInspected Look(const JobId& job);
  void AddUnreadable(core::FoldersInspected& inspected);
  void RemoveFolder(const EnsembleId& id);
  std::vector<protocol::AttemptEvent> Unheard(const AttemptId& id) const;
  std::string MaybeAnError();

  // ---- the network ----
  void Connect(FakeWorker& worker);
  void Break(const WorkerId& id);
  void FromWorkerTo(const WorkerId& id, protocol::FromWorker message);
  void Deliver(const WorkerId& id, int connection, Incarnation incarnation, const protocol::FromWorker& message);
  void MaybeRepeat(const WorkerId& id, Incarnation incarnation, const protocol::FromWorker& message);
  void ToWorker(const WorkerId& id, std::function<void(FakeWorker&)> message);
  void Heartbeat(const WorkerId& id);
  Duration Delay();

  // ---- what goes wrong ----
  void Disturb();
  void KillWorker(FakeWorker& worker);
  void Freeze(const WorkerId& id);
  void Silence(const WorkerId& id);
  void Part(const WorkerId& one, const WorkerId& other);
  bool AreParted(const WorkerId& one, const WorkerId& other) const;
  void EndRanks(const WorkerId& ended, const AttemptId& attempt, const std::vector<SlotId>& gang);
  void AskToLeave(const WorkerId& id);
  void Drain(const WorkerId& id);
  void TakeBack(const WorkerId& id);
  void CheckIsOpen(const WorkerId& id) const;
  void Lie(const FakeWorker& worker);
  protocol::FromWorker ALie(const AttemptId& id);
  WorkerId AnyWorker();
  void KillEverything();
  void ActAsUser();
  void Submit(const core::EnsembleSubmitted& submitted);
  void Remove(const EnsembleId& id);
  void Resume();

  Mistake mistake_;
  BrokenCore edge_;
  core::Settings settings_;
  Agenda agenda_;
  Chaos chaos_ = Chaos::kOn;
  Disk disk_;
  core::Ledger ledger_;
  core::Ledger before_;  // the last commit; followed only where a mistake needs it
  Surroundings surroundings_;
  std::map<WorkerId, FakeWorker> workers_;
  std::map<WorkerId, Connection> connections_;
  std::map<std::set<WorkerId>, TimePoint> parted_;  // pairs of workers that cannot reach each other until then
  std::vector<EnsembleId> ensembles_;
  std::set<EnsembleId> removed_;  // whose removal was committed
  bool one_process_ = false;      // coordinator and worker die together

  std::unique_ptr<core::Core> core_;
  int64_t generation_ = 0;
  std::optional<TimePoint> planned_tick_;
  std::map<JobId, int64_t> acknowledged_steps_;  // the highest checkpoint of each job that a worker was told is safe
  Outcome outcome_;
};

}  // namespace tutti::sim
