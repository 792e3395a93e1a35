#include "coordinator/core/ensembles.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "common/spec/jobs.h"
#include "coordinator/core/attempts.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/jobs.h"

namespace tutti::core {
namespace {

// Calls `act` for each job of the ensemble. `act` may change jobs, never add or remove them.
void ForEachJob(State& state, const EnsembleId& id, const std::function<void(Job&)>& act) {
  for (auto next = state.jobs.lower_bound(FirstJobOf(id)); next != state.jobs.end() && next->first.ensemble == id;
       ++next) {
    act(next->second);
  }
}

void SetEnsembleState(Turn& turn, Ensemble& ensemble, EnsembleState to, std::string note) {
  ensemble.record.state = to;
  ensemble.record.note = std::move(note);
  turn.Touch(ensemble);
}

void End(Turn& turn, Ensemble& ensemble, EnsembleState to, std::string note) {
  SetEnsembleState(turn, ensemble, to, std::move(note));
  ensemble.record.ended_at = turn.now;
  const EnsembleRecord& record = ensemble.record;
  Announce(turn, record.id,
           record.note.empty() ? fmt::format("{} {}", record.id, Name(to))
                               : fmt::format("{} {}: {}", record.id, Name(to), record.note));
}

JobState InspectionOf(const State& state, const Ensemble& ensemble) {
  const auto found = state.jobs.find(InspectJobOf(ensemble.record.id));
  return found == state.jobs.end() ? JobState::kFinished : found->second.record.state;
}

// Members are trained, and were: what they learned from must stay what it was.
bool HasTrained(State& state, const EnsembleId& id) {
  bool any = false;
  ForEachJob(state, id,
             [&](const Job& job) { any = any || (job.record.kind == JobKind::kTrain && job.record.attempts > 0); });
  return any;
}

// Waiting jobs end at once, live attempts are told to; the ensemble ends with the last of them.
void BringToStop(State& state, Turn& turn, Ensemble& ensemble, EnsembleState to, JobState job_state,
                 const std::string& reason) {
  SetEnsembleState(turn, ensemble, to, reason);
  ForEachJob(state, ensemble.record.id, [&](Job& job) {
    if (job.record.state == JobState::kWaiting) return SetJobState(state, turn, job, job_state, reason);
    const Attempt* live = LiveAttemptOf(state, job);
    if (live != nullptr) Stop(state, turn, state.attempts.at(live->record.id));
  });
  Settle(state, turn, ensemble);
}

std::string OutOf(const Ensemble& ensemble) {
  const int finished = ensemble.Count(JobState::kFinished);
  return finished == ensemble.Members() ? "" : fmt::format("{} of {} members", finished, ensemble.Members());
}

void StartCombining(State& state, Turn& turn, Ensemble& ensemble) {
  if (ensemble.combining) return;
  ensemble.combining = true;
  Combine combine{ensemble.record.id, {}, ensemble.Count(JobState::kFinished), ensemble.Members()};
  ForEachJob(state, ensemble.record.id, [&](const Job& job) {
    if (job.record.kind != JobKind::kTrain || job.record.state != JobState::kFinished) return;
    for (PredictionRecord& record : PredictionsInUse(state, job.record.id)) {
      combine.predictions.push_back(std::move(record));
    }
  });
  turn.Do(std::move(combine));
}

std::string FirstFailure(State& state, const EnsembleId& id) {
  const Job* first = nullptr;
  ForEachJob(state, id, [&](const Job& job) {
    if (job.record.state != JobState::kFailed) return;
    if (first == nullptr || job.record.position < first->record.position) first = &job;
  });
  return first == nullptr ? "" : fmt::format("; {}: {}", NameForPeople(first->record.id.name), first->record.reason);
}

void LinkDependencies(State& state, Job& job) {
  for (const std::string& name : job.record.after) {
    const auto other = state.jobs.find(JobId{job.record.id.ensemble, name});
    if (other == state.jobs.end()) continue;
    other->second.dependents.push_back(job.record.id);
    if (other->second.record.state != JobState::kFinished) ++job.unmet;
  }
}

Ensemble* FindEnsemble(State& state, const EnsembleId& id) {
  const auto found = state.ensembles.find(id);
  return found == state.ensembles.end() ? nullptr : &found->second;
}

// A member that lost its predictions makes them anew: from its last checkpoint there is nothing left to train.
bool PredictAgain(State& state, Turn& turn, const std::vector<JobId>& lost) {
  bool any = false;
  for (const JobId& id : lost) {
    const auto found = state.jobs.find(id);
    if (found == state.jobs.end() || found->second.record.state != JobState::kFinished) continue;
    CountFailure(state, turn, found->second, "its predictions cannot be read any more");
    any = true;
  }
  return any;
}

// What came up only after everybody was told to stop does not begin.
void SettleOrStop(State& state, Turn& turn, Ensemble& ensemble) {
  if (state.stopping && ensemble.record.state == EnsembleState::kRunning && IsOpen(state, ensemble)) {
    return BringToStop(state, turn, ensemble, EnsembleState::kStopped, JobState::kStopped, kOnRequest);
  }
  Settle(state, turn, ensemble);
}

// What the inspection said is durable by what came of it.
void AcknowledgeInspection(State& state, Turn& turn, const Ensemble& ensemble) {
  const Attempt* live = LiveAttemptOf(state, state.jobs.at(InspectJobOf(ensemble.record.id)));
  if (live == nullptr) return;
  Attempt& attempt = state.attempts.at(live->record.id);
  attempt.record.acknowledged = attempt.seen;
  turn.Touch(attempt);
  TellWorker(state, turn, LeaderOf(attempt), protocol::Acknowledge{attempt.record.id, attempt.seen});
}

}  // namespace

void AddMissingJobs(State& state, Turn& turn, const EnsembleId& id, const spec::EnsembleSpec& spec) {
  for (JobRecord& record : spec::JobsOf(id, spec)) {
    if (state.jobs.contains(record.id)) continue;
    Job& job = state.jobs[record.id];
    job.record = std::move(record);
    job.record.reason = WaitsFor(job.record.after);
    turn.Touch(job);
  }
}

void ApplySpec(State& state, Ensemble& ensemble, const spec::EnsembleSpec& spec) {
  for (const spec::MemberSpec& member : spec.members) {
    Job& job = state.jobs.at(JobId{ensemble.record.id, member.name});
    job.keep = member.training.checkpoint.keep;
    job.spread = member.slots.spread;
    job.slot_memory_bytes = member.slot_memory_bytes.value_or(0);
  }
  const int members = static_cast<int>(spec.members.size());
  ensemble.minimum = std::clamp(spec.minimum_members.value_or(members), 1, std::max(members, 1));
}

void LinkJobs(State& state, Ensemble& ensemble) {
  ForEachJob(state, ensemble.record.id, [&](Job& job) {
    if (job.record.kind == JobKind::kTrain) ++ensemble.Count(job.record.state);
    LinkDependencies(state, job);
  });
}

void OnSubmitted(State& state, Turn& turn, const EnsembleSubmitted& event) {
  if (state.ensembles.contains(event.id)) return;
  Ensemble& ensemble = state.ensembles[event.id];
  ensemble.record.id = event.id;
  ensemble.record.spec = spec::ToJson(event.spec).dump();
  ensemble.record.spec_hash = event.spec_hash;
  ensemble.record.submitted_at = turn.now;
  ensemble.record.priority = event.priority;
  turn.Touch(ensemble);
  AddMissingJobs(state, turn, event.id, event.spec);
  ApplySpec(state, ensemble, event.spec);
  LinkJobs(state, ensemble);
  Enqueue(state, state.jobs.at(InspectJobOf(event.id)), turn.now);
  Announce(turn, event.id, fmt::format("{} submitted: {} members", event.id, ensemble.Members()));
  if (state.stopping) BringToStop(state, turn, ensemble, EnsembleState::kStopped, JobState::kStopped, kOnRequest);
}

void OnPrioritised(State& state, Turn& turn, const EnsemblePrioritised& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || std::exchange(ensemble->record.priority, event.priority) == event.priority) return;
  turn.Touch(*ensemble);
  state.schedule_needed = true;  // what is kept for others may be for it now
  Announce(turn, event.id, fmt::format("{} has priority {}", event.id, event.priority));
}

void OnCancelled(State& state, Turn& turn, const EnsembleCancelled& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr) return;
  const EnsembleState now = ensemble->record.state;
  if (now != EnsembleState::kRunning && now != EnsembleState::kStopped) return;
  ensemble->record.ended_at.reset();
  ForEachJob(state, event.id, [&](Job& job) {
    if (job.record.state == JobState::kStopped) SetJobState(state, turn, job, JobState::kCancelled, "cancelled");
  });
  BringToStop(state, turn, *ensemble, EnsembleState::kCancelled, JobState::kCancelled, "cancelled");
}

void OnStopRequested(State& state, Turn& turn) {
  if (std::exchange(state.stopping, true)) return;
  for (auto& [id, ensemble] : state.ensembles) {
    if (ensemble.record.state != EnsembleState::kRunning || !IsOpen(state, ensemble)) continue;
    BringToStop(state, turn, ensemble, EnsembleState::kStopped, JobState::kStopped, kOnRequest);
  }
}

void StopInterrupted(State& state, Turn& turn) {
  for (auto& [id, ensemble] : state.ensembles) {
    if (ensemble.record.state != EnsembleState::kRunning) continue;
    if (!IsOpen(state, ensemble)) {
      End(turn, ensemble, EnsembleState::kStopped, kProcessGone);
    } else {
      BringToStop(state, turn, ensemble, EnsembleState::kStopped, JobState::kStopped, kProcessGone);
    }
  }
}

void OnResumed(State& state, Turn& turn, const EnsembleResumed& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || state.stopping) return;
  const EnsembleState now = ensemble->record.state;
  if (now == EnsembleState::kRunning || now == EnsembleState::kRemoving) return;
  if (now == EnsembleState::kFinished && event.answer == Answer::kKept) return;
  ensemble->record.ended_at.reset();
  ensemble->record.combined = false;
  ensemble->combine_again = ensemble->combining;
  SetEnsembleState(turn, *ensemble, EnsembleState::kRunning, "");
  Announce(turn, event.id, fmt::format("{} resumed", event.id));
  CheckInspectionOf(state, turn, *ensemble);
  ForEachJob(state, event.id, [&](Job& job) {
    const JobState before = job.record.state;
    if (before == JobState::kFinished || before == JobState::kRunning) return;
    if (now == EnsembleState::kFinished) return;  // it was complete without
    job.record.failures = 0;
    job.interruptions = 0;
    job.failed_on.clear();
    Wait(state, turn, job, ReasonToWait(state, job));
  });
  Settle(state, turn, *ensemble);
}

void OnRemoved(State& state, Turn& turn, const EnsembleRemoved& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || !ensemble->record.ended_at) return;
  if (ensemble->live > 0 || ensemble->combining || ensemble->drawing) return;  // something still writes there
  if (std::exchange(ensemble->removing, true)) return;
  SetEnsembleState(turn, *ensemble, EnsembleState::kRemoving, "");
  turn.Do(RemoveEnsembleFolder{event.id});
}

void OnFolderRemoved(State& state, Turn& turn, const EnsembleFolderRemoved& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || !std::exchange(ensemble->removing, false)) return;
  if (!event.error.empty()) {  // it stays marked, and is tried again at the next start or request
    ensemble->record.note = fmt::format("its files cannot be removed: {}", event.error);
    turn.Touch(*ensemble);
    return Announce(turn, event.id, fmt::format("{} {}", event.id, ensemble->record.note));
  }
  const auto belongs = [&](const EnsembleId& id) { return id == event.id; };
  std::erase_if(state.predictions, [&](const auto& row) { return belongs(row.first.attempt.job.ensemble); });
  std::erase_if(state.checkpoints, [&](const auto& row) { return belongs(row.first.attempt.job.ensemble); });
  std::erase_if(state.epochs, [&](const auto& row) { return belongs(row.first.attempt.job.ensemble); });
  std::erase_if(state.attempts, [&](const auto& row) { return belongs(row.first.job.ensemble); });
  std::erase_if(state.jobs, [&](const auto& row) { return belongs(row.first.ensemble); });
  state.ensembles.erase(event.id);
  turn.Erased(event.id);
}

void CheckInspectionOf(const State& state, Turn& turn, Ensemble& ensemble) {
  if (!ensemble.record.split_drawn || InspectionOf(state, ensemble) != JobState::kFinished) return;
  if (!std::exchange(ensemble.checking, true)) turn.Do(CheckInspection{ensemble.record.id});
}

void OnInspectionChecked(State& state, Turn& turn, const InspectionChecked& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || !std::exchange(ensemble->checking, false)) return;
  if (ensemble->record.state != EnsembleState::kRunning) return Settle(state, turn, *ensemble);
  if (!event.error.empty()) {
    ensemble->record.split_drawn = false;
    turn.Touch(*ensemble);
    Wait(state, turn, state.jobs.at(InspectJobOf(event.id)),
         fmt::format("what it left cannot be read any more, it is done again: {}", event.error));
  }
  ForEachJob(state, event.id, [&](Job& job) { Enqueue(state, job, turn.now); });
  SettleOrStop(state, turn, *ensemble);
}

bool IsOpen(const State& state, const Ensemble& ensemble) {
  const JobState inspection = InspectionOf(state, ensemble);
  return ensemble.Open() > 0 || inspection == JobState::kWaiting || inspection == JobState::kRunning;
}

Drawing OnInspected(State& state, Turn& turn, Ensemble& ensemble, const protocol::Inspected& inspected) {
  if (ensemble.record.split_drawn) return Drawing::kDone;
  const std::string& known = ensemble.record.data_hash;
  if (!known.empty() && known != inspected.data_hash && HasTrained(state, ensemble.record.id)) {
    ensemble.draw_error =
        "the data is not what members were trained on: put back what was there, or train another ensemble with --new";
    return Drawing::kOnItsWay;
  }
  if (ensemble.record.data_hash != inspected.data_hash) {
    ensemble.record.data_hash = inspected.data_hash;
    turn.Touch(ensemble);
  }
  ensemble.draw_error.clear();
  if (!std::exchange(ensemble.drawing, true)) {
    turn.Do(DrawSplit{ensemble.record.id, inspected.file});
    Announce(
        turn, ensemble.record.id,
        fmt::format("{}: {} samples of {} classes", ensemble.record.id, inspected.training_samples, inspected.classes));
  }
  return Drawing::kOnItsWay;
}

void OnSplitDrawn(State& state, Turn& turn, const SplitDrawn& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || !std::exchange(ensemble->drawing, false)) return;
  if (event.error.empty()) {
    ensemble->record.split_drawn = true;
    turn.Touch(*ensemble);
    AcknowledgeInspection(state, turn, *ensemble);
  } else {
    ensemble->draw_error = event.error;
  }
  if (LiveAttemptOf(state, state.jobs.at(InspectJobOf(event.id))) != nullptr) return;
  EndInspection(state, turn, *ensemble);
  Settle(state, turn, *ensemble);
}

bool HasInspected(const Ensemble& ensemble) {
  return ensemble.record.split_drawn || ensemble.drawing || !ensemble.draw_error.empty();
}

void EndInspection(State& state, Turn& turn, Ensemble& ensemble) {
  Job& job = state.jobs.at(InspectJobOf(ensemble.record.id));
  if (job.record.state != JobState::kRunning) return;
  if (ensemble.record.split_drawn) return SetJobState(state, turn, job, JobState::kFinished, "");
  if (!ensemble.draw_error.empty()) {
    const std::string error = std::exchange(ensemble.draw_error, "");
    return SetJobState(state, turn, job, JobState::kFailed, fmt::format("the split could not be drawn: {}", error));
  }
  job.record.reason = "the split is being drawn";
  turn.Touch(job);
}

void OnCombinationDone(State& state, Turn& turn, const CombinationDone& event) {
  Ensemble* ensemble = FindEnsemble(state, event.id);
  if (ensemble == nullptr || !std::exchange(ensemble->combining, false)) return;
  if (ensemble->record.state != EnsembleState::kRunning || IsOpen(state, *ensemble)) return;  // cancelled meanwhile
  if (std::exchange(ensemble->combine_again, false)) return StartCombining(state, turn, *ensemble);
  if (PredictAgain(state, turn, event.lost)) return SettleOrStop(state, turn, *ensemble);
  if (!event.error.empty()) {
    return End(turn, *ensemble, EnsembleState::kFailed,
               fmt::format("the members' predictions could not be combined: {}", event.error));
  }
  ensemble->record.combined = true;
  const bool complete = ensemble->Count(JobState::kFinished) >= ensemble->minimum;
  End(turn, *ensemble, complete ? EnsembleState::kFinished : EnsembleState::kIncomplete,
      complete
          ? OutOf(*ensemble)
          : fmt::format("{}, {} were asked for{}", OutOf(*ensemble), ensemble->minimum, FirstFailure(state, event.id)));
}

void Settle(State& state, Turn& turn, Ensemble& ensemble) {
  // A member that was at work when its data was inspected again, in vain, may wait for it since.
  if (InspectionOf(state, ensemble) == JobState::kFailed) {
    FailDependents(state, turn, state.jobs.at(InspectJobOf(ensemble.record.id)));
  }
  if (ensemble.live > 0 || ensemble.Open() > 0 || ensemble.record.ended_at) return;
  switch (ensemble.record.state) {
    case EnsembleState::kStopped:
      if (ensemble.Count(JobState::kStopped) > 0 || InspectionOf(state, ensemble) == JobState::kStopped) {
        return End(turn, ensemble, EnsembleState::kStopped, std::string(ensemble.record.note));
      }
      SetEnsembleState(turn, ensemble, EnsembleState::kRunning, "");  // everybody was done before the request came
      [[fallthrough]];
    case EnsembleState::kRunning:
      if (ensemble.checking || IsOpen(state, ensemble)) return;
      if (ensemble.Count(JobState::kFinished) > 0 && InspectionOf(state, ensemble) == JobState::kFinished) {
        return StartCombining(state, turn, ensemble);
      }
      return End(turn, ensemble, EnsembleState::kFailed,
                 fmt::format("{}{}",
                             ensemble.Count(JobState::kFinished) == 0 ? "no member finished"
                                                                      : "what its members predicted cannot be combined",
                             FirstFailure(state, ensemble.record.id)));
    case EnsembleState::kCancelled:
      return End(turn, ensemble, EnsembleState::kCancelled, "cancelled");
    case EnsembleState::kFinished:
    case EnsembleState::kIncomplete:
    case EnsembleState::kFailed:
    case EnsembleState::kRemoving:
      break;
  }
}

}  // namespace tutti::core
