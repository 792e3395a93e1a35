// What a trainer is told: the task file. Version 1, JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/ids.h"
#include "common/json.h"
#include "common/records.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::protocol {

inline constexpr int kTaskVersion = 1;

struct Task {
  AttemptId attempt;
  JobKind kind = JobKind::kTrain;         // kInspect, kTrain
  std::filesystem::path ensemble_folder;  // absolute; attempts lie under members/NAME/attempt-N
  std::filesystem::path folder;           // of this attempt, absolute: checkpoints and predictions go here
  std::filesystem::path events;           // file to append events to, absolute
  std::filesystem::path cache;            // prepared data, absolute, shared by the trainers of a node
  spec::DataSpec data;
  // For kTrain:
  std::optional<spec::MemberSpec> member;  // its weights' path absolute; left alone where it goes on from a checkpoint
  std::filesystem::path split;  // safetensors: int64 sample ids "training", "validation", "calibration"?, "test"
  std::string data_hash;        // of the inspected source: a trainer refuses other data (65)
  int classes = 0;              // of the whole source
  int shards = 1;               // parts of every global batch
  std::optional<std::filesystem::path> resume_from;  // a checkpoint's folder
  int threads = 1;                                   // CPU threads of each rank
  bool operator==(const Task&) const = default;
};

Json ToJson(const Task& task);
Result<Task> TaskFromJson(const Json& json);  // kInvalid, naming the key that is missing, wrong or unknown

}  // namespace tutti::protocol
