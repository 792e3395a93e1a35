#include "coordinator/core/attempts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "coordinator/core/checkpoints.h"
#include "coordinator/core/ensembles.h"
#include "coordinator/core/jobs.h"
#include "coordinator/core/workers.h"

namespace tutti::core {
namespace {

constexpr int kFirstSignalCode = 129;

// ---- how an attempt ends ----

// The other workers of the gang may hold slots for ranks that never came, or will not end by themselves.
void ReleaseFollowers(State& state, Turn& turn, const Attempt& attempt) {
  std::set<WorkerId> told;
  for (const SlotId& slot : attempt.record.gang) {
    if (slot.worker == LeaderOf(attempt) || !told.insert(slot.worker).second) continue;
    TellWorker(state, turn, slot.worker, protocol::StopAttempt{attempt.record.id, protocol::StopReason::kStale});
  }
}

void EndAttempt(State& state, Turn& turn, Attempt& attempt, std::optional<int> exit_code, std::string error) {
  AttemptRecord& record = attempt.record;
  record.state = AttemptState::kEnded;
  record.ended_at = turn.now;
  record.exit_code = exit_code;
  record.error = std::move(error);
  turn.Touch(attempt);
  TUTTI_CHECK(state.live.erase(record.id) == 1);
  --EnsembleOf(state, record.id.job).live;
  state.schedule_needed = true;  // its ensemble holds less now, and another may be next
  Job& job = JobOf(state, record.id);
  job.progress.reset();
  job.folders = Folders::kUnlooked;
  ReleaseFollowers(state, turn, attempt);
}

// `error`: why it left no checkpoint, if it was asked to.
void StandDown(State& state, Turn& turn, Job& job, const std::string& error) {
  switch (EnsembleOf(state, job.record.id).record.state) {
    case EnsembleState::kCancelled:
      return SetJobState(state, turn, job, JobState::kCancelled, "cancelled");
    case EnsembleState::kStopped:
      return SetJobState(state, turn, job, JobState::kStopped,
                         fmt::format("{}{}{}", EnsembleOf(state, job.record.id).record.note,
                                     error.empty() ? "" : "; it left no checkpoint: ", error));
    default:  // resumed while it was stopping, or its worker leaves
      return Wait(state, turn, job, "");
  }
}

void CountInterruption(State& state, Turn& turn, Job& job, const std::string& error) {
  const int interruptions = ++job.interruptions;
  if (interruptions >= state.settings.maximum_interruptions) {
    return SetJobState(
        state, turn, job, JobState::kFailed,
        fmt::format("given up after {} interruptions without a new checkpoint between them: {}", interruptions, error));
  }
  // The first is taken for chance; what happens again and again must not turn in a circle at full speed.
  std::optional<TimePoint> not_before;
  if (interruptions > 1) not_before = turn.now + Backoff(state.settings, interruptions - 1);
  Wait(state, turn, job, fmt::format("attempt {} was interrupted: {}", job.record.attempts, error), not_before);
}

// A failure: of the job, or of the worker that led the attempt?
void HoldAgainst(State& state, Turn& turn, const WorkerId& worker, Job& job, const std::string& error) {
  job.failed_on.insert(worker);
  Blame(state, turn, worker, job.record.id, error);
}

enum class Ending { kDone, kOnRequest, kFromOutside, kForGood, kFailed };

// A worker of the gang that is away: its ranks ended with it, or may have.
const Worker* AwayFrom(const State& state, const Attempt& attempt) {
  for (const SlotId& slot : attempt.record.gang) {
    const auto found = state.workers.find(slot.worker);
    if (found != state.workers.end() && !found->second.usable()) return &found->second;
  }
  return nullptr;
}

Ending Judge(const State& state, const Attempt& attempt, const Job& job, bool was_stopping, int exit_code) {
  if (job.record.kind == JobKind::kTrain && exit_code == protocol::kExitFinished && attempt.finished_at &&
      NewestCheckpoint(state, job.record.id)) {
    return Ending::kDone;
  }
  const bool cancelled = EnsembleOf(state, job.record.id).record.state == EnsembleState::kCancelled;
  if (protocol::IsPermanent(exit_code) && !cancelled) return Ending::kForGood;
  if (was_stopping || WantedStop(EnsembleOf(state, job.record.id))) return Ending::kOnRequest;
  if (exit_code == protocol::kExitStopped || AwayFrom(state, attempt) != nullptr) return Ending::kFromOutside;
  return Ending::kFailed;
}

std::string LastLine(const std::string& lines) {
  const size_t end = lines.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return "";
  const size_t begin = lines.find_last_of('\n', end);
  return lines.substr(begin == std::string::npos ? 0 : begin + 1,
                      end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

std::string DescribeExit(const State& state, const Attempt& attempt, const Job& job,
                         const protocol::AttemptExited& message) {
  if (message.exit_code == protocol::kExitStopped) return "stopped from outside after a checkpoint (exit 75)";
  if (const Worker* away = AwayFrom(state, attempt)) return fmt::format("worker {} of its gang was lost", away->id);
  if (!attempt.record.error.empty()) return attempt.record.error;
  if (message.exit_code == protocol::kExitFinished) {
    if (job.record.kind == JobKind::kInspect) return "it ended without saying what the data is";
    return attempt.finished_at ? "it finished without a committed checkpoint" : "it ended without saying so (exit 0)";
  }
  const std::string how = message.exit_code >= kFirstSignalCode
                              ? fmt::format("ended by signal {}", message.exit_code - kFirstSignalCode + 1)
                              : fmt::format("exit {}", message.exit_code);
  const std::string last = LastLine(message.last_log_lines);
  return last.empty() ? how : fmt::format("{}; its last line: {}", how, last);
}

void Conclude(State& state, Turn& turn, Job& job, Ending ending, const std::string& error) {
  switch (ending) {
    case Ending::kDone:
      SetJobState(state, turn, job, JobState::kFinished, "");
      return ApplyRetention(state, turn, job);
    case Ending::kOnRequest:
      return StandDown(state, turn, job, error);
    case Ending::kFromOutside:
      return CountInterruption(state, turn, job, error);
    case Ending::kForGood:
      return SetJobState(state, turn, job, JobState::kFailed, error);
    case Ending::kFailed:
      return CountFailure(state, turn, job, error);
  }
}

// ---- what is listened to ----

// kOfDeath: nothing is left there that an answer could reach.
enum class Sign { kOfLife, kOfDeath };

// The live attempt that this worker leads; else null, and what the worker still knows of it is told to be stale.
Attempt* Heard(State& state, Turn& turn, const Worker& worker, const AttemptId& id, Sign sign) {
  Attempt* attempt = FindAttempt(state, id);
  if (attempt != nullptr && IsLive(*attempt) && IsLedBy(*attempt, worker)) return attempt;
  if (sign == Sign::kOfLife) {
    TellWorker(state, turn, worker.id, protocol::StopAttempt{id, protocol::StopReason::kStale});
  }
  return nullptr;
}

// The live attempt that this worker lends slots to and does not lead. Its leader would wait for the ranks there for
// ever: it is told to end what it has started.
Attempt* HeardOfFollower(State& state, Turn& turn, const Worker& worker, const AttemptId& id) {
  Attempt* attempt = FindAttempt(state, id);
  if (attempt == nullptr || !IsLive(*attempt) || LeaderOf(*attempt) == worker.id) return nullptr;
  const auto& gang = attempt->record.gang;
  if (std::ranges::find(gang, worker.id, &SlotId::worker) == gang.end()) return nullptr;
  TellWorker(state, turn, LeaderOf(*attempt), protocol::StopAttempt{id, protocol::StopReason::kStale});
  return attempt;
}

void MarkRunning(Turn& turn, Attempt& attempt) {
  AttemptRecord& record = attempt.record;
  if (record.state != AttemptState::kGranted && record.state != AttemptState::kUnknown) return;
  record.state = AttemptState::kRunning;
  if (!record.started_at) record.started_at = turn.now;
  turn.Touch(attempt);
}

// ---- what trainers say ----

// Whether all that an event tells lies in records now. What does not is acknowledged later, with what it leads to, so
// that a coordinator that is lost before hears it again.
enum class Kept { kInRecords, kInMemory };

struct Listener {
  State& state;
  Turn& turn;
  Attempt& attempt;
  Job& job;

  Kept operator()(const protocol::Started&) const { return Kept::kInMemory; }
  Kept operator()(const protocol::Progress& progress) const {
    job.progress = progress;
    return Kept::kInMemory;
  }
  Kept operator()(const protocol::EpochDone& epoch) const {
    const EpochKey key{attempt.record.id, epoch.epoch};
    state.epochs[key] = EpochRecord{attempt.record.id,
                                    epoch.epoch,
                                    epoch.step,
                                    epoch.train_loss,
                                    epoch.validation_loss,
                                    epoch.validation_accuracy,
                                    epoch.learning_rate,
                                    epoch.images_per_second,
                                    epoch.train_seconds};
    turn.Touch(key);
    Announce(turn, key.attempt.job.ensemble, Sentence(epoch));
    return Kept::kInRecords;
  }
  Kept operator()(const protocol::CheckpointWritten& written) const {
    if (IsLive(attempt)) Trust(state, state.workers.at(LeaderOf(attempt)));
    RecordCheckpoint(
        state, turn, job,
        CheckpointRecord{attempt.record.id, written.step, CheckpointState::kCommitted, written.epoch, written.folder,
                         written.manifest_hash, written.size_bytes, written.validation_loss});
    return Kept::kInRecords;
  }
  Kept operator()(const protocol::PredictionsWritten& written) const {
    const PredictionKey key{attempt.record.id, written.predictor, written.split};
    state.predictions[key] = PredictionRecord{attempt.record.id, written.predictor, written.split, written.file,
                                              written.samples,   written.step,      written.hash};
    turn.Touch(key);
    return Kept::kInRecords;
  }
  Kept operator()(const protocol::Inspected& inspected) const {
    if (job.record.kind != JobKind::kInspect) return Kept::kInRecords;
    return OnInspected(state, turn, EnsembleOf(state, job.record.id), inspected) == Drawing::kDone ? Kept::kInRecords
                                                                                                   : Kept::kInMemory;
  }
  Kept operator()(const protocol::Failed& failed) const {
    attempt.record.error = failed.error;
    return Kept::kInMemory;
  }
  Kept operator()(const protocol::Finished& finished) const {
    attempt.finished_at = finished.step;
    return Kept::kInMemory;
  }
  Kept operator()(const protocol::StoppedEarly&) const { return Kept::kInMemory; }

  std::string Sentence(const protocol::EpochDone& epoch) const {
    const std::string& name = job.record.id.name;
    if (!epoch.validation_loss) return fmt::format("{} epoch {}: loss {:.4f}", name, epoch.epoch, epoch.train_loss);
    return fmt::format("{} epoch {}: loss {:.4f}, validation loss {:.4f}", name, epoch.epoch, epoch.train_loss,
                       *epoch.validation_loss);
  }
};

Kept Hear(State& state, Turn& turn, Attempt& attempt, const protocol::AttemptEvent& message) {
  attempt.seen = message.sequence;
  const Kept kept = std::visit(Listener{state, turn, attempt, JobOf(state, message.attempt)}, message.event);
  if (kept == Kept::kInMemory) return kept;
  attempt.record.acknowledged = message.sequence;
  turn.Touch(attempt);
  return kept;
}

bool CountsLate(const protocol::TrainerEvent& event) {
  return std::holds_alternative<protocol::EpochDone>(event) ||
         std::holds_alternative<protocol::PredictionsWritten>(event) ||
         std::holds_alternative<protocol::Finished>(event);
}

// `at_fault`: who is blamed where it counts as a failure; null: nobody.
void EndUnstarted(State& state, Turn& turn, Attempt& attempt, const std::string& error, const Worker* at_fault) {
  Job& job = JobOf(state, attempt.record.id);
  const bool was_stopping = attempt.record.state == AttemptState::kStopping;
  EndAttempt(state, turn, attempt, std::nullopt, error);
  const bool asked = was_stopping || WantedStop(EnsembleOf(state, job.record.id)).has_value();
  const Ending ending = asked                                 ? Ending::kOnRequest
                        : AwayFrom(state, attempt) != nullptr ? Ending::kFromOutside
                                                              : Ending::kFailed;
  if (ending == Ending::kFailed && at_fault != nullptr) HoldAgainst(state, turn, at_fault->id, job, error);
  Conclude(state, turn, job, ending, asked ? "" : error);
  Settle(state, turn, EnsembleOf(state, job.record.id));
}

// A worker of its gang is drained, and not to wait for its end.
bool IsToGoElsewhere(const State& state, const Attempt& attempt) {
  return std::ranges::any_of(attempt.record.gang, [&](const SlotId& slot) {
    const auto drain = state.drains.find(slot.worker);
    return drain != state.drains.end() && drain->second.checkpoint;
  });
}

}  // namespace

void TellWorker(const State& state, Turn& turn, const WorkerId& worker, protocol::ToWorker message) {
  const auto found = state.workers.find(worker);
  if (found == state.workers.end() || !found->second.connected) return;
  turn.Do(Tell{worker, std::move(message), found->second.incarnation});
}

void CountFailure(State& state, Turn& turn, Job& job, const std::string& error) {
  const int failures = ++job.record.failures;
  if (failures >= state.settings.maximum_failures) {
    const std::string where =
        job.failed_on.size() > 1 ? fmt::format(" on {}", fmt::join(job.failed_on, ", ")) : std::string();
    return SetJobState(
        state, turn, job, JobState::kFailed,
        fmt::format("given up after {} failures{} without a new checkpoint between them: {}", failures, where, error));
  }
  Wait(state, turn, job, fmt::format("attempt {} failed: {}", job.record.attempts, error),
       turn.now + Backoff(state.settings, failures));
}

void Grant(State& state, Turn& turn, Job& job, std::vector<SlotId> gang) {
  const AttemptId id{job.record.id, job.record.attempts + 1};
  for (const SlotId& slot : gang) {
    std::optional<AttemptId>& holder = state.workers.at(slot.worker).holders.at(static_cast<size_t>(slot.index));
    TUTTI_CHECK(!holder.has_value());
    holder = id;
  }
  Attempt attempt;
  attempt.record.id = id;
  attempt.record.leader_incarnation = state.workers.at(gang.front().worker).incarnation;
  attempt.record.gang = std::move(gang);
  attempt.record.granted_at = turn.now;
  attempt.resumed_from = NewestCheckpoint(state, id.job);
  if (attempt.resumed_from) attempt.record.resumed_from_step = attempt.resumed_from->step;
  StartAttempt start{id, job.record.kind, attempt.record.gang, job.record.maximum_slots, attempt.resumed_from};
  for (const SlotId& slot : start.gang) start.incarnations[slot.worker] = state.workers.at(slot.worker).incarnation;
  turn.Do(std::move(start));

  job.record.attempts = id.number;
  SetJobState(state, turn, job, JobState::kRunning, std::exchange(job.setback, ""));
  ++EnsembleOf(state, id.job).live;
  EnsembleOf(state, id.job).last_grant = ++state.grants;
  state.live.insert(id);
  turn.Touch(attempt);
  TUTTI_CHECK(state.attempts.emplace(id, std::move(attempt)).second);
}

void OnStarted(State& state, Turn& turn, const Worker& worker, const protocol::AttemptStarted& message) {
  Attempt* attempt = Heard(state, turn, worker, message.attempt, Sign::kOfLife);
  if (attempt != nullptr) MarkRunning(turn, *attempt);
}

void OnStartRefused(State& state, Turn& turn, const StartRefused& event) {
  const auto found = state.attempts.find(event.attempt);
  if (found == state.attempts.end() || !IsLive(found->second)) return;
  EndUnstarted(state, turn, found->second, "could not be prepared: " + event.error, nullptr);
}

void OnFailedToStart(State& state, Turn& turn, const Worker& worker, const protocol::AttemptFailedToStart& message) {
  Attempt* attempt = Heard(state, turn, worker, message.attempt, Sign::kOfDeath);
  if (attempt == nullptr) attempt = HeardOfFollower(state, turn, worker, message.attempt);
  if (attempt == nullptr) return;
  EndUnstarted(state, turn, *attempt, fmt::format("could not be started on {}: {}", worker.id, message.error), &worker);
}

void OnEvent(State& state, Turn& turn, const Worker& worker, const protocol::AttemptEvent& message) {
  Attempt* attempt = Heard(state, turn, worker, message.attempt, Sign::kOfLife);
  if (attempt == nullptr || message.sequence <= attempt->seen) return;
  MarkRunning(turn, *attempt);
  if (Hear(state, turn, *attempt, message) == Kept::kInMemory) return;
  TellWorker(state, turn, worker.id, protocol::Acknowledge{message.attempt, message.sequence});
}

void OnExited(State& state, Turn& turn, const Worker& worker, const protocol::AttemptExited& message) {
  // One that is stale is not acknowledged: the answer that it is stale lets its worker forget it.
  Attempt* attempt = Heard(state, turn, worker, message.attempt, Sign::kOfLife);
  if (attempt == nullptr) return;
  Job& job = JobOf(state, message.attempt);
  Ensemble& ensemble = EnsembleOf(state, message.attempt.job);
  const bool was_stopping = attempt->record.state == AttemptState::kStopping;
  const Ending ending = Judge(state, *attempt, job, was_stopping, message.exit_code);
  const bool as_asked = ending == Ending::kDone ||
                        (ending == Ending::kOnRequest &&
                         (message.exit_code == protocol::kExitStopped || message.exit_code == protocol::kExitFinished));
  const std::string error = as_asked ? "" : DescribeExit(state, *attempt, job, message);
  attempt->record.acknowledged = attempt->seen;
  EndAttempt(state, turn, *attempt, message.exit_code, error);
  TellWorker(state, turn, worker.id, protocol::Acknowledge{message.attempt, attempt->seen});
  if (job.record.kind == JobKind::kInspect && HasInspected(ensemble)) {
    EndInspection(state, turn, ensemble);
  } else {
    if (ending == Ending::kFailed) HoldAgainst(state, turn, worker.id, job, error);
    Conclude(state, turn, job, ending, error);
  }
  Settle(state, turn, ensemble);
}

Attempt& EnsureAttempt(State& state, Turn& turn, const AttemptId& id) {
  if (Attempt* known = FindAttempt(state, id)) return *known;
  Attempt attempt;
  attempt.record.id = id;
  attempt.record.state = AttemptState::kEnded;
  attempt.record.granted_at = turn.now;
  attempt.record.ended_at = turn.now;
  attempt.record.error = "found on disk without a record";
  turn.Touch(attempt);
  return state.attempts.emplace(id, std::move(attempt)).first->second;
}

void HearLate(State& state, Turn& turn, const protocol::AttemptEvent& message) {
  if (!CountsLate(message.event)) return;
  Attempt& attempt = EnsureAttempt(state, turn, message.attempt);
  TUTTI_CHECK(!IsLive(attempt));
  if (message.sequence > attempt.record.acknowledged) Hear(state, turn, attempt, message);
}

void ConcludeUnseen(State& state, Turn& turn, const AttemptId& id) {
  Attempt* attempt = FindAttempt(state, id);
  // One whose exit was seen has been judged by it.
  if (attempt == nullptr || attempt->record.exit_code || !attempt->finished_at) return;
  Job& job = JobOf(state, id);
  if (job.record.kind != JobKind::kTrain || job.record.state != JobState::kWaiting) return;
  // Without its last checkpoint a member has not finished, whatever it said.
  const auto newest = NewestCheckpoint(state, id.job);
  if (!newest || newest->step != *attempt->finished_at) return;
  attempt->lost = false;
  attempt->record.exit_code = protocol::kExitFinished;
  attempt->record.error.clear();
  attempt->record.acknowledged = attempt->seen;
  turn.Touch(*attempt);
  Conclude(state, turn, job, Ending::kDone, "");
  Settle(state, turn, EnsembleOf(state, id.job));
}

void Lose(State& state, Turn& turn, Attempt& attempt, const std::string& why) {
  Job& job = JobOf(state, attempt.record.id);
  Ensemble& ensemble = EnsembleOf(state, job.record.id);
  const bool asked = attempt.record.state == AttemptState::kStopping || WantedStop(ensemble).has_value();
  EndAttempt(state, turn, attempt, std::nullopt, why);
  attempt.lost = true;
  if (job.record.kind == JobKind::kInspect && HasInspected(ensemble)) {
    EndInspection(state, turn, ensemble);
  } else {
    Conclude(state, turn, job, asked ? Ending::kOnRequest : Ending::kFromOutside, asked ? "" : why);
  }
  Settle(state, turn, ensemble);
}

Revival Revive(State& state, Turn& turn, Attempt& attempt, const Worker& worker) {
  const AttemptId& id = attempt.record.id;
  const auto job = state.jobs.find(id.job);
  if (!attempt.lost || job == state.jobs.end()) return Revival::kTooLate;
  const JobRecord& record = job->second.record;
  const bool waits = record.state == JobState::kWaiting && record.attempts == id.number && !state.stopping;
  Ensemble& ensemble = EnsembleOf(state, id.job);
  // The followers of a gang were told to end: only one that lies on its leader alone is still whole.
  const bool whole =
      std::ranges::all_of(attempt.record.gang, [&](const SlotId& slot) { return slot.worker == worker.id; });
  if (!waits || !whole || ensemble.record.state != EnsembleState::kRunning) return Revival::kTooLate;
  attempt.lost = false;
  attempt.record.state = AttemptState::kRunning;
  attempt.record.ended_at.reset();
  attempt.record.error.clear();
  state.live.insert(id);
  ++ensemble.live;
  state.schedule_needed = true;
  turn.Touch(attempt);
  SetJobState(state, turn, job->second, JobState::kRunning, "");
  return Revival::kGoesOn;
}

void Preempt(State& state, Turn& turn, Attempt& attempt) {
  // An unknown one stays unknown: its leader is asked when it joins, by what the worker that leaves says again then.
  if (attempt.record.state == AttemptState::kUnknown) return;
  if (std::exchange(attempt.record.state, AttemptState::kStopping) != AttemptState::kStopping) turn.Touch(attempt);
  TellWorker(state, turn, LeaderOf(attempt),
             protocol::StopAttempt{attempt.record.id, protocol::StopReason::kPreempted});
}

void Confirm(State& state, Turn& turn, Attempt& attempt) {
  MarkRunning(turn, attempt);
  TellWorker(state, turn, LeaderOf(attempt), protocol::Acknowledge{attempt.record.id, attempt.record.acknowledged});
  if (WantedStop(EnsembleOf(state, attempt.record.id.job))) return Stop(state, turn, attempt);
  if (attempt.record.state == AttemptState::kStopping || IsToGoElsewhere(state, attempt)) Preempt(state, turn, attempt);
}

std::optional<protocol::StopReason> WantedStop(const Ensemble& ensemble) {
  switch (ensemble.record.state) {
    case EnsembleState::kStopped:
      return protocol::StopReason::kRequested;
    case EnsembleState::kCancelled:
      return protocol::StopReason::kCancelled;
    default:
      return std::nullopt;
  }
}

void Stop(State& state, Turn& turn, Attempt& attempt) {
  const auto reason = WantedStop(EnsembleOf(state, attempt.record.id.job));
  TUTTI_CHECK(reason.has_value());
  // An unknown one stays unknown: its leader is told when it joins.
  if (attempt.record.state != AttemptState::kUnknown) attempt.record.state = AttemptState::kStopping;
  turn.Touch(attempt);
  TellWorker(state, turn, LeaderOf(attempt), protocol::StopAttempt{attempt.record.id, *reason});
}

}  // namespace tutti::core
