// What is remembered of an ensemble: decided by the coordinator's core, stored by the catalog, shown by the command
// line. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"

namespace tutti {

// kRemoving: it is to go; its records stay until its folder has.
enum class EnsembleState { kRunning, kFinished, kIncomplete, kFailed, kCancelled, kStopped, kRemoving };
enum class JobKind { kInspect, kTrain, kPredict, kEvaluate };
// kWaiting covers back-off and dependencies; `reason` says which. kStopped: asked to stop, resumable.
enum class JobState { kWaiting, kRunning, kFinished, kFailed, kCancelled, kStopped };
// kGranted: its gang is reserved and the start is on its way. kRunning: its leader said so. kUnknown: it ran when the
// coordinator was lost. kStopping: told to stop. kEnded: its slots may be free again.
enum class AttemptState { kGranted, kRunning, kUnknown, kStopping, kEnded };
enum class CheckpointState { kCommitted, kDeleting };

// Of an ensemble: from -kMostPriority to kMostPriority.
inline constexpr int kMostPriority = 1000;

struct EnsembleRecord {
  EnsembleId id;
  EnsembleState state = EnsembleState::kRunning;
  std::string spec;       // the resolved experiment, JSON
  std::string spec_hash;  // of that text: the same experiment has the same
  std::string data_hash;  // once inspected
  bool split_drawn = false;
  bool combined = false;
  TimePoint submitted_at;
  std::optional<TimePoint> ended_at;
  std::string note;  // why it ended as it did, for people
  int priority = 0;  // higher ones are served first
  bool operator==(const EnsembleRecord&) const = default;
};

struct JobRecord {
  JobId id;
  int position = 0;  // within its ensemble, as written in the experiment
  JobKind kind = JobKind::kTrain;
  JobState state = JobState::kWaiting;
  int minimum_slots = 1;
  int maximum_slots = 1;
  std::vector<std::string> after;       // names of jobs of the ensemble that must have finished
  int attempts = 0;                     // granted so far
  int failures = 0;                     // attempts that failed and count towards giving up
  std::optional<TimePoint> not_before;  // back-off
  std::string reason;                   // why it waits, how it ended, or what it lost before it went on
  bool operator==(const JobRecord&) const = default;
};

struct AttemptRecord {
  AttemptId id;
  AttemptState state = AttemptState::kGranted;
  std::vector<SlotId> gang;  // in the order of ranks; the worker of rank 0 leads
  Incarnation leader_incarnation;
  TimePoint granted_at;
  std::optional<TimePoint> started_at;
  std::optional<TimePoint> ended_at;
  std::optional<int64_t> resumed_from_step;
  int64_t acknowledged = 0;      // offset in its events.jsonl up to which all is durable here
  std::optional<int> exit_code;  // 128 + signal for a signal's
  std::string error;             // the last thing it said before it failed
  bool operator==(const AttemptRecord&) const = default;
};

struct EpochRecord {
  AttemptId attempt;
  int epoch = 0;  // from 1
  int64_t step = 0;
  double train_loss = 0;
  std::optional<double> validation_loss;
  std::optional<double> validation_accuracy;
  double learning_rate = 0;
  double images_per_second = 0;
  double train_seconds = 0;  // of this epoch, validation and checkpoints apart
  bool operator==(const EpochRecord&) const = default;
};

struct CheckpointRecord {
  AttemptId attempt;
  int64_t step = 0;
  CheckpointState state = CheckpointState::kCommitted;
  double epoch = 0;           // position in epochs, fractional between
  std::string folder;         // relative to the ensemble's folder: members/NAME/attempt-N/step-...
  std::string manifest_hash;  // XXH3-128 of manifest.json, which holds those of the other files
  uint64_t size_bytes = 0;
  std::optional<double> validation_loss;
  bool operator==(const CheckpointRecord&) const = default;
};

enum class Split { kTraining, kValidation, kCalibration, kTest };

struct PredictionRecord {
  AttemptId attempt;
  std::string predictor;  // "last", "best"
  Split split = Split::kValidation;
  std::string file;  // relative to the ensemble's folder
  int64_t samples = 0;
  int64_t step = 0;       // of the model that made it
  std::string hash = {};  // XXH3-128 of the file; empty: an earlier build recorded it
  bool operator==(const PredictionRecord&) const = default;
};

// A worker, by its name, that an operator has taken out of service; the record goes when it is taken back.
struct DrainRecord {
  WorkerId worker;
  TimePoint since;
  bool checkpoint = false;  // what runs there is to go on elsewhere
  bool operator==(const DrainRecord&) const = default;
};

using Record = std::variant<EnsembleRecord, JobRecord, AttemptRecord, EpochRecord, CheckpointRecord, PredictionRecord,
                            DrainRecord>;

// Removes a record by its key.
struct CheckpointKey {
  AttemptId attempt;
  int64_t step = 0;
  auto operator<=>(const CheckpointKey&) const = default;
};
using Erasure = std::variant<EnsembleId /* with all that belongs to it */, CheckpointKey, WorkerId /* its drain */>;

// Whoever submits with a key that was given before means the same ensemble. Goes with the ensemble.
struct SubmissionKey {
  std::string key;
  EnsembleId ensemble;
  bool operator==(const SubmissionKey&) const = default;
};

// Everything that the catalog holds but what it looks up by itself (numbers, keys of submissions), in a stable order
// (by key).
struct Records {
  std::vector<EnsembleRecord> ensembles;
  std::vector<JobRecord> jobs;
  std::vector<AttemptRecord> attempts;
  std::vector<EpochRecord> epochs;
  std::vector<CheckpointRecord> checkpoints;
  std::vector<PredictionRecord> predictions;
  std::vector<DrainRecord> drains;
  bool operator==(const Records&) const = default;
};

std::string_view Name(EnsembleState state);  // "running"
std::string_view Name(JobKind kind);
std::string_view Name(JobState state);
std::string_view Name(AttemptState state);
std::string_view Name(CheckpointState state);
std::string_view Name(Split split);  // "validation"
// The inverses. Errors: kInvalid.
template <typename Enum>
Result<Enum> ParseName(std::string_view name);

}  // namespace tutti
