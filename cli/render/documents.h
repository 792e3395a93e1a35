// The API's documents (docs/api.md) as the command line works with them. What is missing or null stays at its default,
// so that an older or newer coordinator can be shown too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "ensemble/report.h"

namespace tutti::cli {

struct EpochPoint {
  int epoch = 0;
  std::optional<double> train_loss;
  std::optional<double> validation_loss;
  std::optional<double> validation_accuracy;
};

struct MemberDocument {
  std::string name;
  std::string state;  // waiting, running, finished, failed, cancelled, stopped
  std::string reason;
  std::string last_error;
  int attempts = 0;
  int failures = 0;
  std::vector<std::string> gang;
  double epoch = 0;
  double epochs = 0;
  int64_t step = 0;
  int64_t total_steps = 0;
  std::optional<double> train_loss;
  std::optional<double> validation_loss;
  std::optional<double> validation_accuracy;
  std::optional<double> images_per_second;
  double train_seconds = 0;
  std::vector<EpochPoint> curve;

  // Why it stands as it does; empty when nothing is to be said. An attempt that was tried before counts for less than
  // what became of the member since.
  const std::string& Why() const { return reason.empty() ? last_error : reason; }
  // Done of all its steps, 0 to 1.
  double Progress() const;
};

struct EnsembleDocument {
  std::string id;
  std::string state;  // running, finished, incomplete, failed, cancelled, stopped
  std::string submitted_at;
  std::string ended_at;  // empty: not yet, whatever its state: members may still write their checkpoints
  std::string note;
  std::string problem;  // what is lost on disk, and what to do
  int members_total = 0;
  int members_finished = 0;
  int members_failed = 0;
  std::optional<int> exit_code;
  std::vector<MemberDocument> members;
  std::optional<ensemble::EnsembleReport> results;

  bool ended() const { return !ended_at.empty(); }
  // From submission to end, what it lay stopped in between too; none while it runs.
  std::optional<double> DurationSeconds() const;
  // What its members trained, one after the other.
  double TrainSeconds() const;
};

// Members that failed for one and the same reason.
struct FailedAlike {
  const MemberDocument* first = nullptr;
  int others = 0;

  std::string Names() const;  // "lenet5-s0", "lenet5-s0 and 499 more"
};
// In the order of the first of each. The members outlive it.
std::vector<FailedAlike> GroupFailures(const std::vector<const MemberDocument*>& failed);

struct WorkerDocument {
  std::string id;
  bool connected = false;
  int slots = 0;
  int busy = 0;
  bool draining = false;
  std::string note;         // why it gets nothing new
  std::string device = {};  // of each slot: "cpu", "cuda"; "" while it is away
  int threads_per_slot = 0;
  uint64_t slot_memory_bytes = 0;  // 0: unknown
};
// {"workers": [...]} -> its entries. kInvalid.
Result<std::vector<WorkerDocument>> ReadWorkers(const Json& json);

// kInvalid: no document of an ensemble.
Result<EnsembleDocument> ReadEnsemble(const Json& json);

}  // namespace tutti::cli
