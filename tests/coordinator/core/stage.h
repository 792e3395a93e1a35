// A core on a stage: events go in with few words, effects are collected, what is persisted goes to a ledger. After
// every event the invariants are checked, and that the ledger holds exactly what the core shows.
#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "tests/coordinator/core/experiments.h"
#include "tests/coordinator/core/ledger.h"

namespace tutti {

// For messages of failed tests.
inline void PrintTo(const SlotId& id, std::ostream* out) { *out << id.str(); }
inline void PrintTo(const AttemptId& id, std::ostream* out) { *out << id.str(); }
inline void PrintTo(const CheckpointKey& key, std::ostream* out) { *out << key.attempt.str() << "/" << key.step; }

}  // namespace tutti

namespace tutti::core {

inline const EnsembleId kEnsemble("e-1");

inline JobId JobNamed(const std::string& name) { return {kEnsemble, name}; }
inline AttemptId AttemptOf(const std::string& job, int number) { return {JobNamed(job), number}; }
inline CheckpointKey CheckpointOf(const std::string& job, int attempt, int64_t step) {
  return {AttemptOf(job, attempt), step};
}

protocol::EpochDone EpochAt(int epoch, int64_t step);
protocol::CheckpointWritten CheckpointAt(int64_t step, std::optional<double> validation_loss = std::nullopt);
protocol::PredictionsWritten PredictionsOf(Split split, int64_t step);

class Stage {
 public:
  explicit Stage(Settings settings = {});

  void Handle(const Event& event);
  void Pass(Duration duration);  // then a Tick
  // The coordinator dies after its last commit and starts again; what it was about to do is lost.
  void Restart();

  void Submit(const std::vector<MemberSketch>& members, std::optional<int> minimum_members = std::nullopt);
  void Join(const std::string& worker, int slots, std::vector<protocol::RunningAttempt> running = {},
            int incarnation = 1, const std::string& domain = "", uint64_t slot_memory_bytes = 0);
  void Disconnect(const std::string& worker, int incarnation = 1);
  void Drain(const std::string& worker, bool drain = true);
  void Say(const std::string& worker, protocol::FromWorker message, int incarnation = 1);

  // By the worker that leads the attempt; events get rising sequences.
  void Start(const AttemptId& attempt);
  void Report(const AttemptId& attempt, protocol::TrainerEvent event);
  void Exit(const AttemptId& attempt, int exit_code);  // slots stay held
  void Free(const AttemptId& attempt);                 // by every worker of the gang
  void End(const AttemptId& attempt, int exit_code);   // both
  void Fail(const AttemptId& attempt, const std::string& error, int exit_code = protocol::kExitInternal);

  // The inspect job runs through and the split is drawn.
  void Inspect(int attempt = 1);
  // A checkpoint at this step, predictions, the end.
  void FinishMember(const AttemptId& attempt, int64_t step = 100);
  // Answers every InspectFolders that was asked for with "nothing new".
  void LookAtFolders();

  // Effects since the last Forget().
  template <typename Kind>
  std::vector<Kind> Asked() const {
    std::vector<Kind> asked;
    for (const Effect& effect : effects) {
      if (const auto* one = std::get_if<Kind>(&effect)) asked.push_back(*one);
    }
    return asked;
  }
  template <typename Kind>
  std::vector<Kind> Told(const std::string& worker) const {
    std::vector<Kind> told;
    for (const Tell& tell : Asked<Tell>()) {
      const auto* one = std::get_if<Kind>(&tell.message);
      if (one != nullptr && tell.worker.str() == worker) told.push_back(*one);
    }
    return told;
  }
  void Forget() { effects.clear(); }

  std::vector<AttemptId> StartedAttempts() const;  // by StartAttempt effects since the last Forget()
  EnsembleRecord ensemble() const;
  JobRecord job(const std::string& name) const;
  AttemptRecord attempt(const AttemptId& id) const;
  std::vector<CheckpointKey> committed() const;

  std::string inspection_lost;  // what every CheckInspection that is asked for is answered with
  TimePoint now = TimePoint(std::chrono::hours(1));
  std::vector<Effect> effects;
  Core core;
  Ledger ledger;

 private:
  void Take(std::vector<Effect> made);

  Settings settings_;
  Generation generation_{1};
  std::map<AttemptId, std::vector<SlotId>> gangs_;
  std::map<AttemptId, int64_t> sequences_;
  std::vector<JobId> to_look_at_;
};

// Of the member "a".
inline const AttemptId kFirst = AttemptOf("a", 1);
inline const AttemptId kSecond = AttemptOf("a", 2);

// "a" runs on n1, which has one slot, with a checkpoint at step 10; its start is forgotten.
Stage RunningOnN1(const std::vector<MemberSketch>& members = {{"a"}});

}  // namespace tutti::core
