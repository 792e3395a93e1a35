// The command lines that start an attempt's trainers.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/protocol/task.h"
#include "common/result.h"
#include "worker/launch/launcher.h"
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
  std::string host = {};  // its machine, as ssh and Slurm know it
};
struct GangLaunch {
  std::filesystem::path program;  // mpirun, or srun
  std::filesystem::path tutti;
  std::filesystem::path home;              // of the workers
  std::filesystem::path meeting_folder;    // where their ranks find them, runtime_folder.h
  std::filesystem::path temporary_folder;  // for the launcher's own files
  AttemptId attempt;
  std::vector<GangPart> parts;  // in the order of ranks
  int threads = 1;              // of each rank
  Launcher launcher = Launcher::kLocal;
};
// A wider gang: mpirun or srun, which starts `tutti rank` for each rank, with the worker that it belongs to. Where all
// its workers are on one machine, mpirun starts it there and nowhere else, whatever a batch system's allocation says.
Command GangCommand(const GangLaunch& launch);

}  // namespace tutti::worker
