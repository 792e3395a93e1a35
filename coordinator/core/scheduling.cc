#include "coordinator/core/scheduling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "coordinator/core/attempts.h"
#include "coordinator/core/jobs.h"
#include "coordinator/core/serving.h"
#include "coordinator/core/workers.h"

namespace tutti::core {
namespace {

// What one pass over the queue did.
struct Pass {
  int moves = 0;    // grants, and folders that are looked at from now on
  int looking = 0;  // jobs that keep slots while their folders are looked at
};

void Keep(State& state, Job& job) {
  if (job.kept_since) return;
  job.kept_since = ++state.jobs_kept;
  state.kept.emplace(*job.kept_since, job.record.id);
}

void StartOrLook(State& state, Turn& turn, Job& job, std::vector<SlotId> gang, Pass& pass) {
  switch (job.folders) {
    case Folders::kKnown:
      ++pass.moves;
      return Grant(state, turn, job, std::move(gang));
    case Folders::kUnlooked:
      job.folders = Folders::kLooking;
      turn.Do(InspectFolders{job.record.id});
      Keep(state, job);
      ++pass.moves;
      [[fallthrough]];
    case Folders::kLooking:
      ++pass.looking;
  }
}

Pass PassOverQueue(State& state, Turn& turn) {
  Pass pass;
  Placer placer(FreeCluster(state));
  ServingOrder order(state);
  while (!placer.exhausted()) {
    const Job* next = order.Next();
    if (next == nullptr) break;
    Job& job = state.jobs.at(next->record.id);
    auto gang = placer.Place(WaitingOf(job));
    if (gang) {
      order.Gave(static_cast<int>(gang->size()));
      StartOrLook(state, turn, job, std::move(*gang), pass);
    } else if (gang.error().kind == Refusal::Kind::kKept && job.record.minimum_slots > 1) {  // else any slot will do
      Keep(state, job);
    }
  }
  return pass;
}

// "next", "2nd", "3rd", "11th"
std::string Ordinal(int place) {
  if (place == 1) return "next";
  const bool teen = place / 10 % 10 == 1;
  const int last = teen ? 0 : place % 10;
  return fmt::format("{}{}", place, last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

// Where a job of the queue stands, as the scheduler sees it now.
struct Standing {
  std::optional<Refusal> refusal;  // none: it has its slots
  int place = 0;                   // among those that wait for slots to come free, from 1

  std::string InFull(const Job& job) const {
    if (!refusal) return AboutToStart(job);
    return refusal->kind == Refusal::Kind::kUnfit ? refusal->reason
                                                  : fmt::format("{}; {} in line", refusal->reason, Ordinal(place));
  }
  std::string InShort(const Job& job) const {
    if (!refusal) return AboutToStart(job);
    if (refusal->kind == Refusal::Kind::kUnfit) return refusal->reason;
    const int slots = job.record.minimum_slots;
    return fmt::format("{} in line for {}", Ordinal(place),
                       slots == 1 ? "a slot" : fmt::format("{} slots at once", slots));
  }
  static std::string AboutToStart(const Job& job) {
    return job.folders == Folders::kLooking ? "starts once its earlier attempts' folders were looked at"
                                            : "is about to start";
  }
};

void ForEachInQueue(const State& state, const std::function<void(const Job&, const Standing&)>& see) {
  Placer placer(FreeCluster(state));
  int in_line = 0;
  ServingOrder order(state);
  while (const Job* job = order.Next()) {
    Standing standing;
    if (auto gang = placer.Place(WaitingOf(*job))) {
      order.Gave(static_cast<int>(gang->size()));
    } else {
      if (gang.error().kind != Refusal::Kind::kUnfit) standing.place = ++in_line;
      standing.refusal = std::move(gang.error());
    }
    see(*job, standing);
  }
}

std::string WithPast(const Job& job, std::string standing) {
  return job.record.reason.empty() ? standing : fmt::format("{} (before: {})", standing, job.record.reason);
}

// Of a job that lacks more than slots, which the queue therefore does not hold.
std::string WhyNotInQueue(const State& state, const Job& job) {
  if (state.stopping) return "the coordinator is stopping";
  if (EnsembleOf(state, job.record.id).checking)
    return "waits until what the inspection of the data left was looked at";
  if (job.unmet > 0) return ReasonToWait(state, job);
  if (job.record.not_before && state.sleeping.contains({*job.record.not_before, job.record.id})) {
    return fmt::format("{}; tries again at {}", job.record.reason, FormatTime(*job.record.not_before));
  }
  return "waits";
}

// The inspection that this job waits for, as long as that has to wait itself.
const Job* WaitingInspectionOf(const State& state, const Job& job) {
  if (state.stopping || job.unmet == 0) return nullptr;
  if (std::ranges::find(job.record.after, kInspectJob) == job.record.after.end()) return nullptr;
  const auto found = state.jobs.find(InspectJobOf(job.record.id.ensemble));
  const bool waits = found != state.jobs.end() && found->second.record.state == JobState::kWaiting;
  return waits ? &found->second : nullptr;
}

std::string Because(std::string_view reason, std::string_view cause) { return fmt::format("{} ({})", reason, cause); }

std::string WhyWaiting(const State& state, const Job& job) {
  std::string why = WhyNotInQueue(state, job);
  if (const Job* inspection = WaitingInspectionOf(state, job)) return Because(why, WhyWaiting(state, *inspection));
  ForEachInQueue(state, [&](const Job& one, const Standing& standing) {
    if (&one == &job) why = WithPast(job, standing.InFull(job));
  });
  return why;
}

std::string_view Doing(AttemptState state) {
  switch (state) {
    case AttemptState::kGranted:
      return "is starting";
    case AttemptState::kUnknown:
      return "ran when the coordinator was lost; waits for its worker to join again";
    case AttemptState::kStopping:
      return "was told to stop";
    case AttemptState::kRunning:
    case AttemptState::kEnded:
      break;
  }
  return "is running";
}

std::string WhyRunning(const State& state, const Job& job) {
  const Attempt* attempt = LiveAttemptOf(state, job);
  if (attempt == nullptr) return job.record.reason;
  std::vector<std::string> slots;
  for (const SlotId& slot : attempt->record.gang) slots.push_back(slot.str());
  const std::string what = fmt::format("attempt {} on {} {}", attempt->record.id.number, fmt::join(slots, ", "),
                                       Doing(attempt->record.state));
  return job.record.reason.empty() ? what : fmt::format("{}; {}", what, job.record.reason);
}

// Where no other worker takes work, those that were set aside do.
void OpenTheLast(const State& state, std::vector<FreeSlots>& cluster) {
  if (std::ranges::any_of(cluster, [](const FreeSlots& slots) { return slots.closed.empty(); })) return;
  for (FreeSlots& slots : cluster) {
    const Worker& worker = state.workers.at(slots.worker);
    if (!state.drains.contains(worker.id) && !worker.leaving) slots.closed.clear();
  }
}

}  // namespace

std::vector<FreeSlots> FreeCluster(const State& state) {
  std::vector<FreeSlots> cluster;
  for (const auto& [id, worker] : state.workers) {
    if (!worker.usable()) continue;
    FreeSlots slots{id, worker.launch_domain,     static_cast<int>(worker.holders.size()),
                    {}, WhyClosed(state, worker), worker.slot_memory_bytes};
    for (int index = 0; index < slots.total; ++index) {
      if (!worker.holders[static_cast<size_t>(index)]) slots.free.push_back(index);
    }
    cluster.push_back(std::move(slots));
  }
  OpenTheLast(state, cluster);
  return cluster;
}

Waiting WaitingOf(const Job& job) {
  return {job.record.id, job.record.minimum_slots, job.record.maximum_slots,
          job.failed_on, job.slot_memory_bytes,    job.spread};
}

void ScheduleReady(State& state, Turn& turn) {
  if (!state.schedule_needed || state.stopping) return;
  // What is kept for a job whose folders are looked at is chosen anew in each pass, and a grant behind it may have
  // moved it: then another fits perhaps.
  for (Pass pass = PassOverQueue(state, turn); pass.moves > 0 && pass.looking > 0;) pass = PassOverQueue(state, turn);
  state.schedule_needed = false;
}

std::map<JobId, std::string> ReasonsToWait(const State& state, const EnsembleId& ensemble) {
  std::map<JobId, std::string> reasons;
  for (auto next = state.jobs.lower_bound(FirstJobOf(ensemble));
       next != state.jobs.end() && next->first.ensemble == ensemble; ++next) {
    const Job& job = next->second;
    if (job.record.state == JobState::kWaiting) reasons[job.record.id] = WhyNotInQueue(state, job);
  }
  ForEachInQueue(state, [&](const Job& job, const Standing& standing) {
    if (job.record.id.ensemble == ensemble) reasons[job.record.id] = WithPast(job, standing.InShort(job));
  });
  for (auto& [id, reason] : reasons) {
    const Job* inspection = WaitingInspectionOf(state, state.jobs.at(id));
    if (inspection != nullptr) reason = Because(reason, reasons.at(inspection->record.id));
  }
  return reasons;
}

std::vector<Waiting> WhatLacksSlots(const State& state) {
  std::vector<Waiting> lacking;
  if (state.stopping) return lacking;
  ForEachInQueue(state, [&](const Job& job, const Standing& standing) {
    if (standing.refusal) lacking.push_back(WaitingOf(job));
  });
  return lacking;
}

std::string WhyNot(const State& state, const Job& job) {
  switch (job.record.state) {
    case JobState::kWaiting:
      return WhyWaiting(state, job);
    case JobState::kRunning:
      return WhyRunning(state, job);
    case JobState::kFinished:
    case JobState::kFailed:
    case JobState::kCancelled:
    case JobState::kStopped:
      break;
  }
  const std::string_view name = Name(job.record.state);
  return job.record.reason.empty() ? std::string(name) : fmt::format("{}: {}", name, job.record.reason);
}

}  // namespace tutti::core
