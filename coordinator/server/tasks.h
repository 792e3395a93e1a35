// What a trainer is told, and the folder of its attempt.
#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include "common/file_system.h"
#include "common/protocol/channel.h"
#include "common/protocol/task.h"
#include "common/records.h"
#include "common/result.h"
#include "coordinator/core/effects.h"
#include "coordinator/server/experiments.h"

namespace tutti::server {

struct TaskInput {
  std::filesystem::path home;  // absolute
  core::StartAttempt start;
  const EnsembleRecord* ensemble = nullptr;
  const KnownExperiment* experiment = nullptr;  // the ensemble's
  std::string resume_folder;                    // relative to the ensemble's folder; empty for a fresh start
  int classes = 0;                              // of the data; 0 for an inspection
  int threads = 1;
};
// Errors: kInvalid when the experiment has no such member.
Result<protocol::Task> MakeTask(const TaskInput& input);

// Makes the attempt's folder (exclusive) and writes task.json into it. The same task again is no error; another one
// under the same number is kExists. Nothing is synced: what a power cut takes away here, it takes from the trainer too,
// whose first checkpoint makes the folders above it durable; and a next attempt's number exceeds that of the row.
Result<void> PrepareAttempt(FileSystem& files, const protocol::Task& task);

// What each worker of a gang is granted, by worker.
std::map<WorkerId, protocol::GrantSlots> GrantsOf(const AttemptId& attempt, const std::vector<SlotId>& gang);

}  // namespace tutti::server
