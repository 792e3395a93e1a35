#include "coordinator/core/scheduling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coordinator/core/attempts.h"
#include "coordinator/core/jobs.h"

namespace tutti::core {
namespace {

// What one pass over the queue did.
struct Pass {
  int moves = 0;    // grants, and folders that are looked at from now on
  int looking = 0;  // jobs that keep slots while their folders are looked at
};

void StartOrLook(State& state, Turn& turn, Job& job, std::vector<SlotId> gang, Pass& pass) {
  switch (job.folders) {
    case Folders::kKnown:
      ++pass.moves;
      return Grant(state, turn, job, std::move(gang));
    case Folders::kUnlooked:
      job.folders = Folders::kLooking;
      turn.Do(InspectFolders{job.record.id});
      ++pass.moves;
      [[fallthrough]];
    case Folders::kLooking:
      ++pass.looking;
  }
}

Pass PassOverQueue(State& state, Turn& turn) {
  Pass pass;
  Placer placer(FreeCluster(state));
  for (auto next = state.ready.begin(); next != state.ready.end() && !placer.exhausted();) {
    Job& job = state.jobs.at(JobIn(*next));
    ++next;  // a grant takes the job out of the queue
    auto gang = placer.Place(WaitingOf(job));
    if (gang) StartOrLook(state, turn, job, std::move(*gang), pass);
  }
  return pass;
}

std::string WhyInQueue(const State& state, const Job& job) {
  Placer placer(FreeCluster(state));
  for (const QueueKey& key : state.ready) {
    const Job& earlier = state.jobs.at(JobIn(key));
    const auto gang = placer.Place(WaitingOf(earlier));
    if (&earlier != &job) continue;
    if (!gang) return gang.error();
    return job.folders == Folders::kLooking ? "starts once its earlier attempts' folders were looked at"
                                            : "is about to start";
  }
  return "waits";
}

std::string WhyWaiting(const State& state, const Job& job) {
  if (state.stopping) return "the coordinator is stopping";
  if (job.unmet > 0) return ReasonToWait(state, job);
  if (job.record.not_before && state.sleeping.contains({*job.record.not_before, job.record.id})) {
    return fmt::format("{}; tries again at {}", job.record.reason, FormatTime(*job.record.not_before));
  }
  const std::string slots = WhyInQueue(state, job);
  return job.record.reason.empty() ? slots : fmt::format("{} (before: {})", slots, job.record.reason);
}

std::string WhyRunning(const State& state, const Job& job) {
  const Attempt* attempt = LiveAttemptOf(state, job);
  if (attempt == nullptr) return job.record.reason;
  std::vector<std::string> slots;
  for (const SlotId& slot : attempt->record.gang) slots.push_back(slot.str());
  const std::string where = fmt::format("attempt {} on {}", attempt->record.id.number, fmt::join(slots, ", "));
  switch (attempt->record.state) {
    case AttemptState::kGranted:
      return where + " is starting";
    case AttemptState::kUnknown:
      return where + " ran when the coordinator was lost; waits for its worker to join again";
    case AttemptState::kStopping:
      return where + " was told to stop";
    case AttemptState::kRunning:
    case AttemptState::kEnded:
      break;
  }
  return where + " is running";
}

}  // namespace

std::vector<FreeSlots> FreeCluster(const State& state) {
  std::vector<FreeSlots> cluster;
  for (const auto& [id, worker] : state.workers) {
    if (!worker.usable()) continue;
    FreeSlots slots{id, worker.launch_domain, static_cast<int>(worker.holders.size()), {}};
    for (int index = 0; index < slots.total; ++index) {
      if (!worker.holders[static_cast<size_t>(index)]) slots.free.push_back(index);
    }
    cluster.push_back(std::move(slots));
  }
  return cluster;
}

Waiting WaitingOf(const Job& job) { return {job.record.id, job.record.minimum_slots, job.record.maximum_slots}; }

void ScheduleReady(State& state, Turn& turn) {
  if (!state.schedule_needed || state.stopping) return;
  // What is kept for a job whose folders are looked at is chosen anew in each pass, and a grant behind it may have
  // moved it: then another fits perhaps.
  for (Pass pass = PassOverQueue(state, turn); pass.moves > 0 && pass.looking > 0;) pass = PassOverQueue(state, turn);
  state.schedule_needed = false;
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
