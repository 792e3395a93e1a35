#include "coordinator/core/jobs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace tutti::core {
namespace {

void OneLessUnmet(State& state, Turn& turn, const JobId& id) {
  Job& job = state.jobs.at(id);
  TUTTI_CHECK(job.unmet > 0);
  if (--job.unmet > 0 || job.record.state != JobState::kWaiting) return;
  job.record.reason.clear();
  turn.Touch(job);
  Enqueue(state, job, turn.now);
}

std::string Sentence(const Job& job) {
  const JobRecord& record = job.record;
  const std::string_view name = NameForPeople(record.id.name);
  if (record.reason.empty()) return fmt::format("{} {}", name, Name(record.state));
  return fmt::format("{} {}: {}", name, Name(record.state), record.reason);
}

void Move(State& state, Turn& turn, Job& job, JobState to, std::string reason) {
  const JobState from = std::exchange(job.record.state, to);
  job.record.reason = std::move(reason);
  if (job.record.kind == JobKind::kTrain) {
    Ensemble& ensemble = EnsembleOf(state, job.record.id);
    --ensemble.Count(from);
    ++ensemble.Count(to);
  }
  if (from == JobState::kFinished && to != JobState::kFinished) {
    for (const JobId& id : job.dependents) {
      Job& dependent = state.jobs.at(id);
      Dequeue(state, dependent);
      ++dependent.unmet;
    }
  }
  turn.Touch(job);
  if (from != to) Announce(turn, job.record.id.ensemble, Sentence(job));
}

}  // namespace

void SetJobState(State& state, Turn& turn, Job& job, JobState to, std::string reason) {
  TUTTI_CHECK(to != JobState::kWaiting);
  Dequeue(state, job);
  job.record.not_before.reset();
  Move(state, turn, job, to, std::move(reason));
  if (to == JobState::kFinished) {
    for (const JobId& dependent : job.dependents) OneLessUnmet(state, turn, dependent);
  }
  if (to == JobState::kFailed) FailDependents(state, turn, job);
}

void FailDependents(State& state, Turn& turn, const Job& job) {
  for (const JobId& id : job.dependents) {
    Job& dependent = state.jobs.at(id);
    if (dependent.record.state != JobState::kWaiting) continue;
    SetJobState(state, turn, dependent, JobState::kFailed,
                fmt::format("needs {}, which failed", NameForPeople(job.record.id.name)));
  }
}

void Wait(State& state, Turn& turn, Job& job, std::string reason, std::optional<TimePoint> not_before) {
  Dequeue(state, job);
  job.record.not_before = not_before;
  Move(state, turn, job, JobState::kWaiting, std::move(reason));
  Enqueue(state, job, turn.now);
}

Duration Backoff(const Settings& settings, int failures) {
  Duration backoff = settings.first_backoff;
  for (int i = 1; i < failures && backoff < settings.longest_backoff; ++i) backoff *= 2;
  return std::min(backoff, settings.longest_backoff);
}

void Enqueue(State& state, Job& job, TimePoint now) {
  const Ensemble& ensemble = EnsembleOf(state, job.record.id);
  if (job.record.state != JobState::kWaiting || ensemble.record.state != EnsembleState::kRunning) return;
  if (job.unmet > 0 || ensemble.checking || state.stopping) return;
  if (job.record.not_before && *job.record.not_before > now) {
    state.sleeping.insert({*job.record.not_before, job.record.id});
    return;
  }
  state.ready.insert(QueueKeyOf(state, job));
  state.schedule_needed = true;
}

void Dequeue(State& state, Job& job) {
  if (state.ready.erase(QueueKeyOf(state, job)) > 0) state.schedule_needed = true;  // what was kept for it is free
  if (job.kept_since) state.kept.erase(*std::exchange(job.kept_since, std::nullopt));
  if (job.record.not_before) state.sleeping.erase({*job.record.not_before, job.record.id});
}

void WakeSleepers(State& state, TimePoint now) {
  while (!state.sleeping.empty() && state.sleeping.begin()->first <= now) {
    Job& job = state.jobs.at(state.sleeping.begin()->second);
    state.sleeping.erase(state.sleeping.begin());
    Enqueue(state, job, now);
  }
}

QueueKey QueueKeyOf(const State& state, const Job& job) {
  const JobId& id = job.record.id;
  return {EnsembleOf(state, id).record.submitted_at, id.ensemble, job.record.position, id.name};
}

JobId JobIn(const QueueKey& key) { return {std::get<EnsembleId>(key), std::get<std::string>(key)}; }

std::string_view NameForPeople(std::string_view job) { return job == kInspectJob ? "the inspection of the data" : job; }

std::string WaitsFor(const std::vector<std::string>& jobs) {
  std::vector<std::string_view> names;
  for (const std::string& job : jobs) names.push_back(NameForPeople(job));
  return names.empty() ? "" : fmt::format("waits for {}", fmt::join(names, ", "));
}

std::string ReasonToWait(const State& state, const Job& job) {
  std::vector<std::string> unmet;
  for (const std::string& name : job.record.after) {
    const auto other = state.jobs.find(JobId{job.record.id.ensemble, name});
    if (other == state.jobs.end() || other->second.record.state != JobState::kFinished) unmet.push_back(name);
  }
  return WaitsFor(unmet);
}

}  // namespace tutti::core
