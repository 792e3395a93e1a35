#include "coordinator/core/checkpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "coordinator/core/attempts.h"
#include "coordinator/core/jobs.h"
#include "coordinator/core/retention.h"

namespace tutti::core {
namespace {

// The job's checkpoints, by attempt and step.
auto CheckpointsOf(const State& state, const JobId& job) {
  const auto begin = state.checkpoints.lower_bound(CheckpointKey{FirstAttemptOf(job), 0});
  const auto end = state.checkpoints.upper_bound(
      CheckpointKey{{job, std::numeric_limits<int>::max()}, std::numeric_limits<int64_t>::max()});
  return std::ranges::subrange(begin, end);
}

int64_t HighestStep(const State& state, const JobId& job) {
  int64_t highest = -1;
  for (const auto& [key, record] : CheckpointsOf(state, job)) highest = std::max(highest, key.step);
  return highest;
}

std::set<CheckpointKey> PinnedOf(const State& state, const Job& job) {
  std::set<CheckpointKey> pinned;
  const Attempt* live = LiveAttemptOf(state, job);
  if (live != nullptr && live->resumed_from) pinned.insert(*live->resumed_from);
  for (const PredictionRecord& prediction : PredictionsInUse(state, job.record.id)) {
    pinned.insert({prediction.attempt, prediction.step});
  }
  return pinned;
}

// They are records of nothing: the folders are left alone, and what is whole is gone on from.
void DropUnreadable(State& state, Turn& turn, Job& job, const std::vector<FoldersInspected::Unreadable>& unreadable) {
  std::vector<int64_t> dropped;
  for (const auto& [key, error] : unreadable) {
    const auto found = state.checkpoints.find(key);
    const bool counts = found != state.checkpoints.end() && found->second.state == CheckpointState::kCommitted;
    if (!counts || key.attempt.job != job.record.id) continue;
    state.checkpoints.erase(found);
    turn.Erased(key);
    dropped.push_back(key.step);
    Announce(turn, job.record.id.ensemble,
             fmt::format("step {} of {} cannot be read any more, and its folder is left alone: {}", key.step,
                         key.attempt.str(), error));
  }
  if (dropped.empty()) return;
  const auto newest = NewestCheckpoint(state, job.record.id);
  job.setback =
      fmt::format("step{} {} cannot be read any more, {}", dropped.size() == 1 ? "" : "s", fmt::join(dropped, ", "),
                  newest ? fmt::format("goes on from step {}", newest->step) : "begins anew");
}

}  // namespace

std::optional<CheckpointKey> NewestCheckpoint(const State& state, const JobId& job) {
  const auto all = CheckpointsOf(state, job);
  for (auto next = all.end(); next != all.begin();) {
    --next;
    if (next->second.state == CheckpointState::kCommitted) return next->first;
  }
  return std::nullopt;
}

void RecordCheckpoint(State& state, Turn& turn, Job& job, CheckpointRecord record) {
  const CheckpointKey key = KeyOf(record);
  const auto known = state.checkpoints.find(key);
  if (known != state.checkpoints.end() && known->second.state == CheckpointState::kDeleting) return;
  if (key.step > HighestStep(state, job.record.id)) {
    job.interruptions = 0;
    job.failed_on.clear();
    if (std::exchange(job.record.failures, 0) > 0) turn.Touch(job);
  }
  state.checkpoints.insert_or_assign(key, std::move(record));
  turn.Touch(key);
  ApplyRetention(state, turn, job);
}

void ApplyRetention(State& state, Turn& turn, const Job& job) {
  const std::set<CheckpointKey> pinned = PinnedOf(state, job);
  std::vector<RetentionInput> inputs;
  for (const auto& [key, record] : CheckpointsOf(state, job.record.id)) {
    if (record.state != CheckpointState::kCommitted) continue;
    inputs.push_back({key.attempt, key.step, record.validation_loss, pinned.contains(key)});
  }
  for (const size_t index : ChooseForDeletion(inputs, job.keep)) {
    const CheckpointKey key{inputs[index].attempt, inputs[index].step};
    state.checkpoints.at(key).state = CheckpointState::kDeleting;
    turn.Touch(key);
    turn.Do(RemoveCheckpoint{key});
  }
}

std::vector<PredictionRecord> PredictionsInUse(const State& state, const JobId& job) {
  std::map<std::pair<std::string, Split>, PredictionRecord> newest;
  auto next = state.predictions.lower_bound(PredictionKey{FirstAttemptOf(job), "", Split::kTraining});
  for (; next != state.predictions.end() && next->first.attempt.job == job; ++next) {
    newest.insert_or_assign({next->first.predictor, next->first.split}, next->second);
  }
  std::vector<PredictionRecord> in_use;
  for (auto& [key, record] : newest) in_use.push_back(std::move(record));
  return in_use;
}

void OnFoldersInspected(State& state, Turn& turn, const FoldersInspected& event) {
  const auto found = state.jobs.find(event.job);
  if (found == state.jobs.end()) return;
  Job& job = found->second;
  if (job.folders != Folders::kLooking) return;
  // An attempt that was taken up again tells of its checkpoints itself.
  job.folders = job.record.state == JobState::kWaiting ? Folders::kKnown : Folders::kUnlooked;
  if (job.record.state != JobState::kWaiting) return;
  if (!event.error.empty()) {
    job.folders = Folders::kUnlooked;
    return Wait(state, turn, job, fmt::format("its earlier attempts' folders cannot be read: {}", event.error),
                turn.now + Backoff(state.settings, ++job.failed_looks));
  }
  job.failed_looks = 0;
  for (const protocol::AttemptEvent& message : event.unheard) {
    if (message.attempt.job == event.job) HearLate(state, turn, message);
  }
  int highest = std::max(job.record.attempts, event.highest_attempt);
  for (const CheckpointRecord& record : event.adopted) {
    if (record.attempt.job != event.job || state.checkpoints.contains(KeyOf(record))) continue;
    EnsureAttempt(state, turn, record.attempt);
    highest = std::max(highest, record.attempt.number);
    RecordCheckpoint(state, turn, job, record);
  }
  if (std::exchange(job.record.attempts, highest) != highest) turn.Touch(job);
  DropUnreadable(state, turn, job, event.unreadable);
  state.schedule_needed = true;
  if (!event.unheard.empty()) ConcludeUnseen(state, turn, event.unheard.back().attempt);
}

void OnCheckpointRemoved(State& state, Turn& turn, const CheckpointRemoved& event) {
  const auto found = state.checkpoints.find(event.key);
  if (found == state.checkpoints.end() || found->second.state != CheckpointState::kDeleting) return;
  if (!event.error.empty()) {  // it stays marked, and is tried again at the next start
    return Announce(
        turn, event.key.attempt.job.ensemble,
        fmt::format("step {} of {} could not be deleted: {}", event.key.step, event.key.attempt.str(), event.error));
  }
  state.checkpoints.erase(found);
  turn.Erased(event.key);
}

}  // namespace tutti::core
