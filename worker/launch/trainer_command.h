// The command lines that start an attempt's trainers.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/launch/process.h"

namespace tutti::worker {

// kInvalid: a kind of job that no trainer does.
Result<std::vector<std::string>> TrainerArguments(const std::filesystem::path& trainer, const protocol::Task& task);

// A gang of one: the trainer itself.
Command SoloCommand(std::vector<std::string> trainer_arguments, SlotShare share);

struct GangLaunch {
  std::filesystem::path mpirun;
  std::filesystem::path tutti;
  std::filesystem::path socket;            // of this node's worker
  std::filesystem::path temporary_folder;  // for the launcher's own files
  AttemptId attempt;
  int ranks = 2;
  int threads = 1;  // of each rank
};
// A wider gang on this machine: mpirun, which starts `tutti rank` for each rank.
Command GangCommand(const GangLaunch& launch);

}  // namespace tutti::worker
