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

// Ranks side by side on slots of one worker.
struct GangPart {
  WorkerId worker;
  int ranks = 1;
};
struct GangLaunch {
  std::filesystem::path mpirun;
  std::filesystem::path tutti;
  std::filesystem::path home;              // of the workers
  std::filesystem::path meeting_folder;    // where their ranks find them, runtime_folder.h
  std::filesystem::path temporary_folder;  // for the launcher's own files
  AttemptId attempt;
  std::vector<GangPart> parts;  // in the order of ranks
  int threads = 1;              // of each rank
};
// A wider gang on this machine: mpirun, which starts `tutti rank` for each rank, with the worker that it belongs to.
Command GangCommand(const GangLaunch& launch);

}  // namespace tutti::worker
