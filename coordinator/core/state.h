// What the core remembers, and what one event changes of it. Internal to this folder: the handlers are free functions
// over this plain state, one file a subject.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/clock.h"
#include "common/records.h"
#include "common/spec/ensemble_spec.h"
#include "coordinator/core/core.h"
#include "coordinator/core/effects.h"

namespace tutti::core {

// What is known of a job's folders on disk. A job that ran, or that was restored, is looked at before it is granted.
enum class Folders { kKnown, kUnlooked, kLooking };

struct Ensemble {
  EnsembleRecord record;
  int minimum = 1;             // members that make an answer complete
  int64_t last_grant = 0;      // number of the last grant to it, of all that were made
  std::array<int, 6> train{};  // training jobs by JobState
  int live = 0;                // attempts
  bool combining = false;      // a Combine is on its way
  bool combine_again = false;  // more may have finished since it was asked for
  bool checking = false;       // a CheckInspection is on its way: nothing starts, nothing is combined
  bool drawing = false;        // a DrawSplit is on its way
  bool removing = false;       // a RemoveEnsembleFolder is on its way
  std::string draw_error;      // it failed, and the inspection's process still runs

  int& Count(JobState job_state) { return train[static_cast<size_t>(job_state)]; }
  int Count(JobState job_state) const { return train[static_cast<size_t>(job_state)]; }
  int Members() const;
  int Open() const { return Count(JobState::kWaiting) + Count(JobState::kRunning); }
};

struct Job {
  JobRecord record;
  int keep = 1;                    // newest checkpoints
  uint64_t slot_memory_bytes = 0;  // that each of its slots must have
  spec::SlotsSpec::Spread spread = spec::SlotsSpec::Spread::kAllowed;
  int unmet = 0;                  // of `after`, not finished yet
  std::vector<JobId> dependents;  // that name this one in `after`
  Folders folders = Folders::kKnown;
  int failed_looks = 0;               // at its folders, in a row
  std::set<WorkerId> failed_on;       // in a row: the leaders of its attempts
  int interruptions = 0;              // ends in a row that were not its fault and brought no checkpoint
  std::optional<int64_t> kept_since;  // number in State::kept
  std::string setback;                // checkpoints that its next attempt has to do without
  std::optional<protocol::Progress> progress;
};

struct Attempt {
  AttemptRecord record;
  int64_t seen = 0;                    // sequence of the last event; beyond record.acknowledged only in memory
  std::optional<int64_t> finished_at;  // the step at which it said that it had finished
  bool lost = false;                   // ended because its worker was gone: may be taken up again
  std::optional<CheckpointKey> resumed_from;
};

struct Worker {
  WorkerId id;
  Incarnation incarnation;
  std::string launch_domain;
  uint64_t slot_memory_bytes = 0;  // of each slot; 0: unknown
  bool joined = false;             // this coordinator; else it is only awaited, for what it held under the former one
  bool connected = false;
  bool gone = false;  // given up; what it held is remembered for its return
  bool leaving = false;
  int failures = 0;             // of attempts that it led, in a row
  std::set<JobId> failed_jobs;  // theirs
  std::string set_aside;        // why, while it is
  TimePoint set_aside_until;    // only then
  TimePoint last_heard;
  TimePoint disconnected_at;
  std::vector<std::optional<AttemptId>> holders;  // by slot

  bool usable() const { return connected && !gone; }
};

// An ensemble's jobs side by side, by position. ServingOrder says who is next.
using QueueKey = std::tuple<TimePoint, EnsembleId, int, std::string>;

struct EpochKey {
  AttemptId attempt;
  int epoch = 0;
  auto operator<=>(const EpochKey&) const = default;
};
struct PredictionKey {
  AttemptId attempt;
  std::string predictor;
  Split split = Split::kValidation;
  auto operator<=>(const PredictionKey&) const = default;
};

struct State {
  Settings settings;
  Generation generation;

  std::map<EnsembleId, Ensemble> ensembles;
  std::map<JobId, Job> jobs;
  std::map<AttemptId, Attempt> attempts;
  std::map<EpochKey, EpochRecord> epochs;
  std::map<CheckpointKey, CheckpointRecord> checkpoints;
  std::map<PredictionKey, PredictionRecord> predictions;
  std::map<WorkerId, Worker> workers;
  std::map<WorkerId, DrainRecord> drains;

  std::set<AttemptId> live;                        // attempts that have not ended
  std::set<QueueKey> ready;                        // jobs that lack nothing but slots
  std::map<int64_t, JobId> kept;                   // jobs of `ready` for which slots are kept, by since when
  int64_t jobs_kept = 0;                           // ever
  int64_t grants = 0;                              // ever
  std::set<std::pair<TimePoint, JobId>> sleeping;  // jobs in back-off
  std::optional<TimePoint> lease_ends;             // until when attempts of a former coordinator stay unknown
  bool stopping = false;
  bool schedule_needed = false;

  // Records as Core::records() shows them; each table is made again when it is asked for after a change.
  struct Shown {
    Records records;
    bool ensembles = false, jobs = false, attempts = false, epochs = false, checkpoints = false, predictions = false;
  };
  mutable Shown shown;
};

// The handling of one event: when it happened, which records it changed, what is to be done. A record that changes
// several times is persisted once, as it is at the end.
class Turn {
 public:
  explicit Turn(TimePoint time) : now(time) {}

  const TimePoint now;

  void Do(Effect effect) { effects_.push_back(std::move(effect)); }
  void Touch(const Ensemble& ensemble) { ensembles_.insert(ensemble.record.id); }
  void Touch(const Job& job) { jobs_.insert(job.record.id); }
  void Touch(const Attempt& attempt) { attempts_.insert(attempt.record.id); }
  void Touch(const EpochKey& key) { epochs_.insert(key); }
  void Touch(const CheckpointKey& key) { checkpoints_.insert(key); }
  void Touch(const PredictionKey& key) { predictions_.insert(key); }
  void Touch(const DrainRecord& drain) { drains_.insert(drain.worker); }
  void Erased(Erasure key) { erased_.push_back(std::move(key)); }

  // Persists first, parents before children, then erasures, then the rest in the order in which it was asked for.
  std::vector<Effect> Finish(State& state);

 private:
  std::set<EnsembleId> ensembles_;
  std::set<JobId> jobs_;
  std::set<AttemptId> attempts_;
  std::set<EpochKey> epochs_;
  std::set<CheckpointKey> checkpoints_;
  std::set<PredictionKey> predictions_;
  std::set<WorkerId> drains_;
  std::vector<Erasure> erased_;
  std::vector<Effect> effects_;
};

// What is there for certain (TUTTI_CHECK).
Ensemble& EnsembleOf(State& state, const JobId& job);
const Ensemble& EnsembleOf(const State& state, const JobId& job);
Job& JobOf(State& state, const AttemptId& attempt);
// Null when there is none.
Attempt* FindAttempt(State& state, const AttemptId& id);
const Attempt* LiveAttemptOf(const State& state, const Job& job);

bool IsLive(const Attempt& attempt);
// The worker of rank 0. Only of attempts that have a gang: all but those that were found on disk without a record.
const WorkerId& LeaderOf(const Attempt& attempt);
bool IsLedBy(const Attempt& attempt, const Worker& worker);

CheckpointKey KeyOf(const CheckpointRecord& record);
JobId InspectJobOf(const EnsembleId& ensemble);  // "fashion-mnist-3/.inspect"

// First keys of the ranges that belong to one job or one ensemble.
inline AttemptId FirstAttemptOf(const JobId& job) { return {job, 0}; }
inline JobId FirstJobOf(const EnsembleId& ensemble) { return {ensemble, ""}; }

void Announce(Turn& turn, const EnsembleId& ensemble, std::string what);

}  // namespace tutti::core
