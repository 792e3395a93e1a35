#include "coordinator/core/state.h"

#include <numeric>
#include <utility>

namespace tutti::core {
namespace {

template <typename Keys, typename Table, typename RecordOf>
void PersistTouched(const Keys& keys, const Table& table, RecordOf record_of, std::vector<Effect>& effects) {
  for (const auto& key : keys) {
    const auto found = table.find(key);
    if (found != table.end()) effects.push_back(Persist{record_of(found->second)});
  }
}

constexpr auto kItself = [](const auto& row) { return row; };
constexpr auto kItsRecord = [](const auto& row) { return row.record; };

}  // namespace

int Ensemble::Members() const { return std::accumulate(train.begin(), train.end(), 0); }

std::vector<Effect> Turn::Finish(State& state) {
  std::vector<Effect> all;
  PersistTouched(ensembles_, state.ensembles, kItsRecord, all);
  PersistTouched(jobs_, state.jobs, kItsRecord, all);
  PersistTouched(attempts_, state.attempts, kItsRecord, all);
  PersistTouched(epochs_, state.epochs, kItself, all);
  PersistTouched(checkpoints_, state.checkpoints, kItself, all);
  PersistTouched(predictions_, state.predictions, kItself, all);
  PersistTouched(drains_, state.drains, kItself, all);
  for (Erasure& key : erased_) all.push_back(Erase{std::move(key)});
  for (Effect& effect : effects_) all.push_back(std::move(effect));

  const bool erased = !erased_.empty();
  State::Shown& shown = state.shown;
  shown.ensembles &= ensembles_.empty() && !erased;
  shown.jobs &= jobs_.empty() && !erased;
  shown.attempts &= attempts_.empty() && !erased;
  shown.epochs &= epochs_.empty() && !erased;
  shown.checkpoints &= checkpoints_.empty() && !erased;
  shown.predictions &= predictions_.empty() && !erased;
  return all;
}

Ensemble& EnsembleOf(State& state, const JobId& job) {
  const auto found = state.ensembles.find(job.ensemble);
  TUTTI_CHECK(found != state.ensembles.end());
  return found->second;
}

const Ensemble& EnsembleOf(const State& state, const JobId& job) {
  const auto found = state.ensembles.find(job.ensemble);
  TUTTI_CHECK(found != state.ensembles.end());
  return found->second;
}

Job& JobOf(State& state, const AttemptId& attempt) {
  const auto found = state.jobs.find(attempt.job);
  TUTTI_CHECK(found != state.jobs.end());
  return found->second;
}

Attempt* FindAttempt(State& state, const AttemptId& id) {
  const auto found = state.attempts.find(id);
  return found == state.attempts.end() ? nullptr : &found->second;
}

const Attempt* LiveAttemptOf(const State& state, const Job& job) {
  const auto found = state.attempts.find(AttemptId{job.record.id, job.record.attempts});
  return found != state.attempts.end() && IsLive(found->second) ? &found->second : nullptr;
}

bool IsLive(const Attempt& attempt) { return attempt.record.state != AttemptState::kEnded; }

const WorkerId& LeaderOf(const Attempt& attempt) {
  TUTTI_CHECK(!attempt.record.gang.empty());
  return attempt.record.gang.front().worker;
}

bool IsLedBy(const Attempt& attempt, const Worker& worker) {
  return !attempt.record.gang.empty() && LeaderOf(attempt) == worker.id &&
         attempt.record.leader_incarnation == worker.incarnation;
}

CheckpointKey KeyOf(const CheckpointRecord& record) { return {record.attempt, record.step}; }

JobId InspectJobOf(const EnsembleId& ensemble) { return {ensemble, kInspectJob}; }

void Announce(Turn& turn, const EnsembleId& ensemble, std::string what) { turn.Do(Notify{ensemble, std::move(what)}); }

}  // namespace tutti::core
