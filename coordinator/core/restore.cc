#include "coordinator/core/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "common/spec/ensemble_spec.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/ensembles.h"
#include "coordinator/core/jobs.h"
#include "coordinator/core/scheduling.h"
#include "coordinator/core/workers.h"

namespace tutti::core {
namespace {

void LoadRows(State& state, Records records) {
  for (EnsembleRecord& record : records.ensembles) {
    const EnsembleId id = record.id;
    state.ensembles[id].record = std::move(record);
  }
  for (JobRecord& record : records.jobs) {
    const JobId id = record.id;
    state.jobs[id].record = std::move(record);
  }
  for (AttemptRecord& record : records.attempts) {
    const AttemptId id = record.id;
    Attempt& attempt = state.attempts[id];
    attempt.seen = record.acknowledged;
    attempt.record = std::move(record);
  }
  for (EpochRecord& record : records.epochs) {
    const EpochKey key{record.attempt, record.epoch};
    state.epochs.emplace(key, std::move(record));
  }
  for (CheckpointRecord& record : records.checkpoints) {
    const CheckpointKey key = KeyOf(record);
    state.checkpoints.emplace(key, std::move(record));
  }
  for (PredictionRecord& record : records.predictions) {
    const PredictionKey key{record.attempt, record.predictor, record.split};
    state.predictions.emplace(key, std::move(record));
  }
  for (const DrainRecord& record : records.drains) state.drains.emplace(record.worker, record);
}

// An experiment that cannot be read is left alone: nothing of it starts, nothing is deleted.
void SetAside(State& state, Turn& turn, Ensemble& ensemble, const Error& error) {
  for (auto& [id, job] : state.jobs) {
    if (id.ensemble == ensemble.record.id) job.keep = std::numeric_limits<int>::max();
  }
  LinkJobs(state, ensemble);
  if (ensemble.record.state != EnsembleState::kRunning) return;
  ensemble.record.state = EnsembleState::kFailed;
  ensemble.record.ended_at = turn.now;
  ensemble.record.note = fmt::format("its stored experiment cannot be read: {}", error.Text());
  turn.Touch(ensemble);
}

void RestoreEnsemble(State& state, Turn& turn, Ensemble& ensemble) {
  const Result<spec::EnsembleSpec> spec = spec::EnsembleFromText(ensemble.record.spec);
  if (!spec) return SetAside(state, turn, ensemble, spec.error());
  AddMissingJobs(state, turn, ensemble.record.id, *spec);
  Job& inspect = state.jobs.at(InspectJobOf(ensemble.record.id));
  if (inspect.record.state == JobState::kFinished && !ensemble.record.split_drawn) {
    inspect.record.state = JobState::kWaiting;  // the split was lost: it is drawn again, the same
    turn.Touch(inspect);
  }
  ApplySpec(state, ensemble, *spec);
  LinkJobs(state, ensemble);
  const bool goes_on = state.settings.interrupted == Interrupted::kGoOn;
  if (goes_on && ensemble.record.state == EnsembleState::kRunning) CheckInspectionOf(state, turn, ensemble);
}

// Rows without the row that they belong to, which a damaged catalog may have, are left out. Their checkpoints are
// found again on disk.
void DropOrphans(State& state) {
  std::erase_if(state.jobs, [&](const auto& row) { return !state.ensembles.contains(row.first.ensemble); });
  std::erase_if(state.attempts, [&](const auto& row) { return !state.jobs.contains(row.first.job); });
  const auto orphaned = [&](const auto& row) { return !state.attempts.contains(row.first.attempt); };
  std::erase_if(state.epochs, orphaned);
  std::erase_if(state.checkpoints, orphaned);
  std::erase_if(state.predictions, orphaned);
}

// It goes on from the newest checkpoint that has this step and is older than the attempt.
std::optional<CheckpointKey> ResumedFrom(const State& state, const AttemptRecord& attempt) {
  if (!attempt.resumed_from_step) return std::nullopt;
  for (int number = attempt.id.number - 1; number > 0; --number) {
    const CheckpointKey key{{attempt.id.job, number}, *attempt.resumed_from_step};
    if (state.checkpoints.contains(key)) return key;
  }
  return std::nullopt;
}

// We do not know what the worker runs, but remember what it held when it was last heard of.
void Await(State& state, const Attempt& attempt) {
  for (const SlotId& slot : attempt.record.gang) {
    Worker& worker = state.workers[slot.worker];
    worker.id = slot.worker;
    worker.gone = true;
    const auto index = static_cast<size_t>(slot.index);
    if (worker.holders.size() <= index) worker.holders.resize(index + 1);
    worker.holders[index] = attempt.record.id;
  }
  Incarnation& incarnation = state.workers.at(LeaderOf(attempt)).incarnation;
  incarnation = std::max(incarnation, attempt.record.leader_incarnation);
}

// A follower may have freed its slot before its leader told of the end, and the slot been granted again: whom it was
// granted to last holds it.
void AwaitWorkers(State& state) {
  std::vector<const Attempt*> live;
  for (const AttemptId& id : state.live) live.push_back(&state.attempts.at(id));
  std::ranges::stable_sort(live, {}, [](const Attempt* attempt) { return attempt->record.granted_at; });
  for (const Attempt* attempt : live) Await(state, *attempt);
}

void RestoreAttempts(State& state, Turn& turn) {
  for (auto& [id, attempt] : state.attempts) {
    if (!IsLive(attempt)) continue;
    if (attempt.record.state != AttemptState::kUnknown) turn.Touch(attempt);
    attempt.record.state = AttemptState::kUnknown;
    attempt.resumed_from = ResumedFrom(state, attempt.record);
    state.live.insert(id);
    ++EnsembleOf(state, id.job).live;
    state.lease_ends = turn.now + state.settings.recovery_lease;
  }
  AwaitWorkers(state);
}

int HighestAttempt(const State& state, const JobId& job) {
  auto next = state.attempts.upper_bound(AttemptId{job, std::numeric_limits<int>::max()});
  if (next == state.attempts.begin()) return 0;
  --next;
  return next->first.job == job ? next->first.number : 0;
}

void RestoreJobs(State& state, Turn& turn) {
  for (auto& [id, job] : state.jobs) {
    job.folders = Folders::kUnlooked;
    // A clock that was set back since would make it wait for as long.
    const TimePoint latest = turn.now + state.settings.longest_backoff;
    if (job.record.not_before && *job.record.not_before > latest) {
      job.record.not_before = latest;
      turn.Touch(job);
    }
    const int highest = std::max(job.record.attempts, HighestAttempt(state, id));
    if (std::exchange(job.record.attempts, highest) != highest) turn.Touch(job);
    if (job.record.state == JobState::kRunning && LiveAttemptOf(state, job) == nullptr) {
      Wait(state, turn, job, ReasonToWait(state, job));
    } else {
      Enqueue(state, job, turn.now);
    }
  }
}

}  // namespace

void RestoreFrom(State& state, Turn& turn, Records records) {
  LoadRows(state, std::move(records));
  for (auto& [id, ensemble] : state.ensembles) RestoreEnsemble(state, turn, ensemble);
  DropOrphans(state);
  RestoreAttempts(state, turn);
  RestoreJobs(state, turn);
  for (const auto& [key, record] : state.checkpoints) {
    if (record.state == CheckpointState::kDeleting) turn.Do(RemoveCheckpoint{key});
  }
  for (auto& [id, ensemble] : state.ensembles) {
    if (ensemble.record.state == EnsembleState::kRemoving) OnRemoved(state, turn, {id});
  }
  ExpireWorkers(state, turn);  // with a lease of nothing, nothing stays unknown
  if (state.settings.interrupted == Interrupted::kStop) StopInterrupted(state, turn);
  for (auto& [id, ensemble] : state.ensembles) Settle(state, turn, ensemble);
  ScheduleReady(state, turn);
}

}  // namespace tutti::core
