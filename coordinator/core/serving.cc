#include "coordinator/core/serving.h"

#include <limits>
#include <utility>

#include "coordinator/core/jobs.h"

namespace tutti::core {
namespace {

std::map<EnsembleId, int> SlotsHeld(const State& state) {
  std::map<EnsembleId, int> held;
  for (const AttemptId& id : state.live) {
    held[id.job.ensemble] += static_cast<int>(state.attempts.at(id).record.gang.size());
  }
  return held;
}

// Behind all jobs of the ensemble that this key is of.
QueueKey EndOf(const QueueKey& key) {
  return {std::get<TimePoint>(key), std::get<EnsembleId>(key), std::numeric_limits<int>::max(), ""};
}

}  // namespace

ServingOrder::ServingOrder(const State& state) : state_(state), grants_(state.grants) {
  std::map<EnsembleId, int> held = SlotsHeld(state);
  for (Cursor first = state.ready.begin(); first != state.ready.end(); first = state.ready.lower_bound(EndOf(*first))) {
    const Ensemble& ensemble = state.ensembles.at(std::get<EnsembleId>(*first));
    const EnsembleId& id = ensemble.record.id;
    const Rank rank{-ensemble.record.priority, held[id], ensemble.last_grant, ensemble.record.submitted_at, id};
    if (const auto cursor = FirstNotKept(first)) claims_.emplace(rank, *cursor);
    ranks_.emplace(id, rank);
  }
  for (const auto& [since, job] : state.kept) {
    kept_.emplace(std::pair(-state.ensembles.at(job.ensemble).record.priority, since), job);
  }
}

const Job* ServingOrder::Next() {
  if (claims_.empty() && kept_.empty()) return nullptr;
  const bool kept_first =
      !kept_.empty() && (claims_.empty() || kept_.begin()->first.first <= claims_.begin()->first.behind);
  return kept_first ? NextKept() : NextOf(claims_.begin());
}

std::optional<ServingOrder::Cursor> ServingOrder::FirstNotKept(Cursor cursor) const {
  const EnsembleId id = std::get<EnsembleId>(*cursor);
  while (state_.jobs.at(JobIn(*cursor)).kept_since) {
    ++cursor;
    if (cursor == state_.ready.end() || std::get<EnsembleId>(*cursor) != id) return std::nullopt;
  }
  return cursor;
}

const Job* ServingOrder::NextKept() {
  const auto next = kept_.extract(kept_.begin());
  last_ = next.mapped().ensemble;
  return &state_.jobs.at(next.mapped());
}

const Job* ServingOrder::NextOf(std::map<Rank, Cursor>::iterator claim) {
  last_ = claim->first.id;
  Cursor& cursor = claim->second;
  const Job& job = state_.jobs.at(JobIn(*cursor));
  const bool more = ++cursor != state_.ready.end() && std::get<EnsembleId>(*cursor) == last_;
  const auto next = more ? FirstNotKept(cursor) : std::nullopt;
  if (next) {
    cursor = *next;
  } else {
    claims_.erase(claim);
  }
  return &job;
}

void ServingOrder::Gave(int slots) {
  Rank& rank = ranks_.at(last_);
  auto claim = claims_.extract(rank);
  rank.slots += slots;
  rank.last_grant = ++grants_;
  if (claim.empty()) return;
  claim.key() = rank;
  claims_.insert(std::move(claim));
}

}  // namespace tutti::core
