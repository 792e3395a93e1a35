#include "coordinator/core/invariants.h"

#include <algorithm>
#include <array>

#include "coordinator/core/checkpoints.h"
#include "coordinator/core/ensembles.h"
#include "coordinator/core/jobs.h"
#include "coordinator/core/scheduling.h"
#include "coordinator/core/serving.h"

namespace tutti::core {
namespace {

void CheckSlots(const State& state) {
  for (const auto& [id, worker] : state.workers) {
    for (size_t index = 0; index < worker.holders.size(); ++index) {
      if (!worker.holders[index]) continue;
      const auto holder = state.attempts.find(*worker.holders[index]);
      if (holder == state.attempts.end() || !IsLive(holder->second)) continue;  // on its way out
      const auto& gang = holder->second.record.gang;
      TUTTI_CHECK(std::ranges::count(gang, SlotId{id, static_cast<int>(index)}) == 1);
    }
  }
}

// The leader's slots are the attempt's as long as it lives: else another attempt could be granted them.
void CheckLiveAttempt(const State& state, const Attempt& attempt) {
  const AttemptRecord& record = attempt.record;
  TUTTI_CHECK(IsLive(attempt));
  const Job& job = state.jobs.at(record.id.job);
  TUTTI_CHECK(job.record.state == JobState::kRunning);
  TUTTI_CHECK(job.record.attempts == record.id.number);
  const Worker& leader = state.workers.at(LeaderOf(attempt));
  TUTTI_CHECK(leader.incarnation == record.leader_incarnation);
  TUTTI_CHECK(!leader.gone || record.state == AttemptState::kUnknown);
  for (const SlotId& slot : record.gang) {
    if (slot.worker != leader.id) continue;
    TUTTI_CHECK(leader.holders.at(static_cast<size_t>(slot.index)) == record.id);
  }
  TUTTI_CHECK(attempt.seen >= record.acknowledged);
}

void CheckAttempts(const State& state) {
  size_t live = 0;
  const JobId* job_before = nullptr;
  for (const auto& [id, attempt] : state.attempts) {
    if (!IsLive(attempt)) continue;
    ++live;
    TUTTI_CHECK(state.live.contains(id));
    TUTTI_CHECK(job_before == nullptr || *job_before != id.job);
    job_before = &id.job;
    CheckLiveAttempt(state, attempt);
  }
  TUTTI_CHECK(live == state.live.size());
}

void CheckJob(const State& state, const Job& job) {
  const Ensemble& ensemble = EnsembleOf(state, job.record.id);
  const bool has_attempt = LiveAttemptOf(state, job) != nullptr;
  if (job.record.state == JobState::kRunning) {
    TUTTI_CHECK(has_attempt || (job.record.kind == JobKind::kInspect && ensemble.drawing));
  }
  if (job.record.state == JobState::kFinished && job.record.kind == JobKind::kTrain) {
    TUTTI_CHECK(NewestCheckpoint(state, job.record.id).has_value());
  }
  const bool sleeping = job.record.not_before && state.sleeping.contains({*job.record.not_before, job.record.id});
  const bool ready = state.ready.contains(QueueKeyOf(state, job));
  const bool may_start = job.record.state == JobState::kWaiting && job.unmet == 0 && !state.stopping &&
                         !ensemble.checking && ensemble.record.state == EnsembleState::kRunning;
  TUTTI_CHECK(may_start == (sleeping || ready));
  TUTTI_CHECK(!(sleeping && ready));
  TUTTI_CHECK(!job.kept_since || (ready && state.kept.at(*job.kept_since) == job.record.id));
  int unmet = 0;
  for (const std::string& name : job.record.after) {
    const auto other = state.jobs.find(JobId{job.record.id.ensemble, name});
    if (other != state.jobs.end() && other->second.record.state != JobState::kFinished) ++unmet;
  }
  TUTTI_CHECK(unmet == job.unmet);
}

void CheckEnsembles(const State& state) {
  std::map<EnsembleId, Ensemble> counted;
  for (const auto& [id, job] : state.jobs) {
    if (job.record.kind == JobKind::kTrain) ++counted[id.ensemble].Count(job.record.state);
  }
  for (const AttemptId& id : state.live) ++counted[id.job.ensemble].live;
  for (const auto& [id, ensemble] : state.ensembles) {
    TUTTI_CHECK(counted[id].train == ensemble.train);
    TUTTI_CHECK(counted[id].live == ensemble.live);
    if (ensemble.record.state == EnsembleState::kRunning) {
      TUTTI_CHECK(!ensemble.record.ended_at);
      TUTTI_CHECK(IsOpen(state, ensemble) || ensemble.combining || ensemble.checking);
    }
    if (ensemble.record.combined) TUTTI_CHECK(ensemble.Count(JobState::kFinished) > 0);
  }
}

void CheckNobodyWasPassedOver(const State& state) {
  if (state.stopping) return;
  TUTTI_CHECK(!state.schedule_needed);
  Placer placer(FreeCluster(state));
  ServingOrder order(state);
  while (const Job* job = order.Next()) {
    const auto gang = placer.Place(WaitingOf(*job));
    TUTTI_CHECK(!gang || job->folders == Folders::kLooking);
    if (gang) order.Gave(static_cast<int>(gang->size()));
  }
}

}  // namespace

void CheckState(const State& state) {
  CheckSlots(state);
  CheckAttempts(state);
  for (const auto& [id, job] : state.jobs) CheckJob(state, job);
  CheckEnsembles(state);
  CheckNobodyWasPassedOver(state);
}

}  // namespace tutti::core
