#include "coordinator/core/core.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "coordinator/core/attempts.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/ensembles.h"
#include "coordinator/core/invariants.h"
#include "coordinator/core/jobs.h"
#include "coordinator/core/restore.h"
#include "coordinator/core/scheduling.h"
#include "coordinator/core/state.h"
#include "coordinator/core/workers.h"

namespace tutti::core {
namespace {

struct Handler {
  State& state;
  Turn& turn;

  void operator()(const EnsembleSubmitted& event) const { OnSubmitted(state, turn, event); }
  void operator()(const EnsemblePrioritised& event) const { OnPrioritised(state, turn, event); }
  void operator()(const EnsembleCancelled& event) const { OnCancelled(state, turn, event); }
  void operator()(const EnsembleResumed& event) const { OnResumed(state, turn, event); }
  void operator()(const EnsembleRemoved& event) const { OnRemoved(state, turn, event); }
  void operator()(const StopRequested&) const { OnStopRequested(state, turn); }
  void operator()(const WorkerJoined& event) const { OnJoined(state, turn, event); }
  void operator()(const WorkerDisconnected& event) const { OnDisconnected(state, turn, event); }
  void operator()(const WorkerSaid& event) const { OnSaid(state, turn, event); }
  void operator()(const WorkerDrained& event) const { OnDrained(state, turn, event); }
  void operator()(const StartRefused& event) const { OnStartRefused(state, turn, event); }
  void operator()(const InspectionChecked& event) const { OnInspectionChecked(state, turn, event); }
  void operator()(const SplitDrawn& event) const { OnSplitDrawn(state, turn, event); }
  void operator()(const CombinationDone& event) const { OnCombinationDone(state, turn, event); }
  void operator()(const FoldersInspected& event) const { OnFoldersInspected(state, turn, event); }
  void operator()(const CheckpointRemoved& event) const { OnCheckpointRemoved(state, turn, event); }
  void operator()(const EnsembleFolderRemoved& event) const { OnFolderRemoved(state, turn, event); }
  void operator()(const Tick&) const {
    ExpireWorkers(state, turn);
    WakeSleepers(state, turn.now);
  }
};

template <typename Table, typename Rows, typename RecordOf>
void Show(const Table& table, bool& shown, Rows& rows, RecordOf record_of) {
  if (std::exchange(shown, true)) return;
  rows.clear();
  rows.reserve(table.size());
  for (const auto& [key, row] : table) rows.push_back(record_of(row));
}

// The records of a table from `first` on, as long as they belong to the owner, an ensemble or a job.
template <typename Table, typename Key, typename Rows, typename Owner, typename OwnerIn, typename RecordOf>
void CopyRange(const Table& table, const Key& first, const Owner& owner, OwnerIn owner_in, RecordOf record_of,
               Rows& rows) {
  for (auto next = table.lower_bound(first); next != table.end() && owner_in(next->first) == owner; ++next) {
    rows.push_back(record_of(next->second));
  }
}

// Of a worker that is away: what may run there still.
std::vector<std::optional<AttemptId>> HoldersThatLive(const State& state, const Worker& worker) {
  std::vector<std::optional<AttemptId>> holders = worker.holders;
  for (auto& holder : holders) {
    if (holder && !state.live.contains(*holder)) holder.reset();
  }
  return holders;
}

constexpr auto kItself = [](const auto& row) { return row; };
constexpr auto kItsRecord = [](const auto& row) { return row.record; };

}  // namespace

Core::Core(Settings settings, Generation generation) : state_(std::make_unique<State>()) {
  state_->settings = settings;
  state_->generation = generation;
}

Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;
Core::~Core() = default;

Core Core::Restore(Settings settings, Generation generation, Records records, TimePoint now,
                   std::vector<Effect>& outstanding) {
  Core core(settings, generation);
  Turn turn(now);
  RestoreFrom(*core.state_, turn, std::move(records));
  outstanding = turn.Finish(*core.state_);
  return core;
}

std::vector<Effect> Core::Handle(const Event& event, TimePoint now) {
  Turn turn(now);
  std::visit(Handler{*state_, turn}, event);
  ScheduleReady(*state_, turn);
  return turn.Finish(*state_);
}

std::optional<TimePoint> Core::NextDeadline() const {
  std::optional<TimePoint> next = NextWorkerDeadline(*state_);
  if (!state_->sleeping.empty()) {
    const TimePoint wake = state_->sleeping.begin()->first;
    next = next ? std::min(*next, wake) : wake;
  }
  return next;
}

const Records& Core::records() const {
  State::Shown& shown = state_->shown;
  Show(state_->ensembles, shown.ensembles, shown.records.ensembles, kItsRecord);
  Show(state_->jobs, shown.jobs, shown.records.jobs, kItsRecord);
  Show(state_->attempts, shown.attempts, shown.records.attempts, kItsRecord);
  Show(state_->epochs, shown.epochs, shown.records.epochs, kItself);
  Show(state_->checkpoints, shown.checkpoints, shown.records.checkpoints, kItself);
  Show(state_->predictions, shown.predictions, shown.records.predictions, kItself);
  shown.records.drains.clear();
  for (const auto& [worker, drain] : state_->drains) shown.records.drains.push_back(drain);
  return shown.records;
}

const std::vector<EnsembleRecord>& Core::ensembles() const {
  State::Shown& shown = state_->shown;
  Show(state_->ensembles, shown.ensembles, shown.records.ensembles, kItsRecord);
  return shown.records.ensembles;
}

Records Core::RecordsOf(const EnsembleId& ensemble) const {
  Records records;
  const auto found = state_->ensembles.find(ensemble);
  if (found == state_->ensembles.end()) return records;
  records.ensembles.push_back(found->second.record);
  const JobId job = FirstJobOf(ensemble);
  const AttemptId attempt = FirstAttemptOf(job);
  const auto of_job = [](const JobId& key) { return key.ensemble; };
  const auto of_attempt = [](const AttemptId& key) { return key.job.ensemble; };
  const auto of_child = [](const auto& key) { return key.attempt.job.ensemble; };
  CopyRange(state_->jobs, job, ensemble, of_job, kItsRecord, records.jobs);
  CopyRange(state_->attempts, attempt, ensemble, of_attempt, kItsRecord, records.attempts);
  CopyRange(state_->epochs, EpochKey{attempt, 0}, ensemble, of_child, kItself, records.epochs);
  CopyRange(state_->checkpoints, CheckpointKey{attempt, 0}, ensemble, of_child, kItself, records.checkpoints);
  CopyRange(state_->predictions, PredictionKey{attempt, "", Split::kTraining}, ensemble, of_child, kItself,
            records.predictions);
  return records;
}

Records Core::RecordsOf(const JobId& job) const {
  Records records;
  const auto found = state_->jobs.find(job);
  if (found != state_->jobs.end()) records.jobs.push_back(found->second.record);
  const AttemptId attempt = FirstAttemptOf(job);
  const auto of_attempt = [](const AttemptId& key) { return key.job; };
  const auto of_child = [](const auto& key) { return key.attempt.job; };
  CopyRange(state_->attempts, attempt, job, of_attempt, kItsRecord, records.attempts);
  CopyRange(state_->epochs, EpochKey{attempt, 0}, job, of_child, kItself, records.epochs);
  CopyRange(state_->checkpoints, CheckpointKey{attempt, 0}, job, of_child, kItself, records.checkpoints);
  CopyRange(state_->predictions, PredictionKey{attempt, "", Split::kTraining}, job, of_child, kItself,
            records.predictions);
  return records;
}

std::vector<Core::WorkerView> Core::workers() const {
  std::vector<WorkerView> views;
  for (const auto& [id, worker] : state_->workers) {
    if (worker.gone) continue;
    views.push_back({id, worker.incarnation, worker.connected, static_cast<int>(worker.holders.size()), worker.holders,
                     state_->drains.contains(id) || worker.leaving, WhyClosed(*state_, worker)});
  }
  for (const auto& [id, drain] : state_->drains) {
    const auto known = state_->workers.find(id);
    if (known == state_->workers.end()) {
      views.push_back({id, {}, false, 0, {}, true, kDrained});
    } else if (known->second.gone) {
      auto holders = HoldersThatLive(*state_, known->second);
      const int slots = static_cast<int>(holders.size());
      views.push_back({id, known->second.incarnation, false, slots, std::move(holders), true, kDrained});
    }
  }
  return views;
}

std::string Core::Why(const JobId& job) const {
  const auto found = state_->jobs.find(job);
  return found == state_->jobs.end() ? "there is no such job" : WhyNot(*state_, found->second);
}

std::map<JobId, std::string> Core::WhyWaiting(const EnsembleId& ensemble) const {
  return ReasonsToWait(*state_, ensemble);
}

std::vector<Waiting> Core::Unserved() const { return WhatLacksSlots(*state_); }

Core Core::Copy() const {
  Core copy(state_->settings, state_->generation);
  *copy.state_ = *state_;
  return copy;
}

const JobRecord* Core::job(const JobId& id) const {
  const auto found = state_->jobs.find(id);
  return found == state_->jobs.end() ? nullptr : &found->second.record;
}

const protocol::Progress* Core::progress(const JobId& job) const {
  const auto found = state_->jobs.find(job);
  return found == state_->jobs.end() || !found->second.progress ? nullptr : &*found->second.progress;
}

bool Core::IsLedBy(const AttemptId& id, const WorkerId& worker, Incarnation incarnation) const {
  const auto attempt = state_->attempts.find(id);
  const auto known = state_->workers.find(worker);
  if (attempt == state_->attempts.end() || known == state_->workers.end()) return false;
  return known->second.usable() && known->second.incarnation == incarnation && IsLive(attempt->second) &&
         core::IsLedBy(attempt->second, known->second);
}

bool Core::stopped() const {
  const auto is_at_work = [](const auto& entry) {
    const Ensemble& ensemble = entry.second;
    return ensemble.checking || ensemble.drawing || ensemble.combining;
  };
  return state_->stopping && state_->live.empty() && std::ranges::none_of(state_->ensembles, is_at_work);
}

void Core::CheckInvariants() const { CheckState(*state_); }

}  // namespace tutti::core
