// Records that the tests of the catalog store.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "common/records.h"
#include "storage/catalog/catalog.h"

namespace tutti::storage {

inline TimePoint At(int64_t milliseconds) { return TimePoint(Duration(milliseconds)); }

inline EnsembleRecord Ensemble(const std::string& id, EnsembleState state = EnsembleState::kRunning) {
  EnsembleRecord record;
  record.id = EnsembleId(id);
  record.state = state;
  record.spec = R"({"name": "fashion-mnist"})";
  record.spec_hash = "0123456789abcdef0123456789abcdef";
  record.submitted_at = At(1'772'366'400'250);
  return record;
}

inline JobRecord Job(const std::string& ensemble, const std::string& name) {
  JobRecord record;
  record.id = {EnsembleId(ensemble), name};
  return record;
}

inline CheckpointRecord Checkpoint(const std::string& ensemble, const std::string& name, int attempt, int64_t step) {
  CheckpointRecord record;
  record.attempt = {{EnsembleId(ensemble), name}, attempt};
  record.step = step;
  record.folder = "members/" + name;
  return record;
}

// One of every kind, in the catalog's order, with the values that are hard to keep.
inline Records HardRecords() {
  const AttemptId attempt{{EnsembleId("fashion-mnist-3"), "lenet5-s0"}, 12};
  Records all;
  all.ensembles = {{.id = EnsembleId("fashion-mnist-3"),
                    .state = EnsembleState::kIncomplete,
                    .spec = "{\"quote\": \"'; DROP TABLE jobs; --\", \"unicode\": \"\u00e9\u4e2d\"}",
                    .spec_hash = "aa",
                    .data_hash = std::string("with\0zero", 9),
                    .split_drawn = true,
                    .combined = true,
                    .submitted_at = At(-1),
                    .ended_at = At(INT64_MAX),
                    .note = "line\nbreak"}};
  all.jobs = {Job("fashion-mnist-3", ".inspect"),
              {.id = attempt.job,
               .position = 7,
               .kind = JobKind::kTrain,
               .state = JobState::kStopped,
               .minimum_slots = 2,
               .maximum_slots = 4,
               .after = {"a", "b'c\"", ""},
               .attempts = 12,
               .failures = 3,
               .not_before = At(0),
               .reason = "back-off"}};
  all.attempts = {{.id = attempt,
                   .state = AttemptState::kUnknown,
                   .gang = {{WorkerId("n1/2"), 0}, {WorkerId("n1/2"), 3}, {WorkerId("n2"), 1}},
                   .leader_incarnation = {INT64_MAX},
                   .granted_at = At(1),
                   .started_at = At(2),
                   .ended_at = At(3),
                   .resumed_from_step = 0,
                   .acknowledged = int64_t{1} << 60,
                   .exit_code = 137,
                   .error = "killed"}};
  all.epochs = {{.attempt = attempt,
                 .epoch = 1,
                 .step = 430,
                 .train_loss = 0.1,
                 .validation_loss = 1.0 / 3,
                 .validation_accuracy = 0.0,
                 .learning_rate = 5e-324,
                 .images_per_second = 1.7976931348623157e308,
                 .train_seconds = 12345678901234567.0},
                {.attempt = attempt,
                 .epoch = 2,
                 .train_loss = 3,
                 .validation_loss = {},
                 .validation_accuracy = {},
                 .learning_rate = std::numeric_limits<double>::infinity()}};
  all.checkpoints = {{.attempt = attempt,
                      .step = 430,
                      .state = CheckpointState::kDeleting,
                      .epoch = 1.0000000000000002,
                      .folder = "members/lenet5-s0/attempt-12/step-00000430",
                      .manifest_hash = "bb",
                      .size_bytes = uint64_t{1} << 50,
                      .validation_loss = -0.5},
                     {.attempt = attempt, .step = 860, .folder = "f", .manifest_hash = "cc", .validation_loss = {}}};
  all.predictions = {{.attempt = attempt,
                      .predictor = "best",
                      .split = Split::kTest,
                      .file = "p",
                      .samples = 10000,
                      .step = 430,
                      .hash = "dd"},
                     {.attempt = attempt, .predictor = "last", .split = Split::kCalibration, .file = "q"},
                     {.attempt = attempt, .predictor = "last", .split = Split::kValidation, .file = "r"}};
  all.drains = {{.worker = WorkerId("n1"), .since = At(4)},
                {.worker = WorkerId("n2"), .since = At(5), .checkpoint = true}};
  return all;
}

inline std::vector<Change> ChangesOf(const Records& records) {
  std::vector<Change> changes;
  const auto add = [&](const auto& typed) {
    for (const auto& record : typed) changes.push_back(Record(record));
  };
  add(records.ensembles);
  add(records.jobs);
  add(records.attempts);
  add(records.epochs);
  add(records.checkpoints);
  add(records.predictions);
  add(records.drains);
  return changes;
}

inline Change Removal(Erasure erasure) { return Change(std::move(erasure)); }

inline Result<void> CommitOne(Catalog& catalog, Record record) {
  const std::vector<Change> changes = {std::move(record)};
  return catalog.Commit(changes);
}

}  // namespace tutti::storage
