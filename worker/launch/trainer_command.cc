#include "worker/launch/trainer_command.h"

#include <fmt/format.h>
#include <signal.h>

#include <utility>

#include "worker/launch/environment.h"

namespace tutti::worker {

namespace {

// mpirun numbers ranks command by command.
std::vector<std::string> CommandOf(const GangLaunch& launch, const GangPart& part) {
  int all = 0;
  for (const GangPart& one : launch.parts) all += one.ranks;
  return {"-np",
          std::to_string(part.ranks),
          "--host",
          fmt::format("localhost:{}", all),
          launch.tutti.string(),
          "rank",
          launch.attempt.str(),
          "--worker",
          part.worker.str(),
          "--home",
          launch.home.string(),
          "--meeting-folder",
          launch.meeting_folder.string()};
}

}  // namespace

Result<std::vector<std::string>> TrainerArguments(const std::filesystem::path& trainer, const protocol::Task& task) {
  if (task.kind != JobKind::kTrain && task.kind != JobKind::kInspect) {
    return Fail(ErrorCode::kInvalid, "no trainer does jobs of the kind '{}'", Name(task.kind));
  }
  const std::filesystem::path file = task.folder / "task.json";
  return std::vector<std::string>{trainer.string(), task.kind == JobKind::kTrain ? "train" : "inspect", file.string()};
}

Command SoloCommand(std::vector<std::string> trainer_arguments, SlotShare share) {
  Command command;
  command.arguments = std::move(trainer_arguments);
  command.environment = ForTrainer(WithoutOuterLaunch(CurrentEnvironment()), share);
  command.cpus = std::move(share.cpus);
  command.ignored_signals = {SIGUSR1};  // a request that comes before the trainer listens must not kill it
  return command;
}

Command GangCommand(const GangLaunch& launch) {
  const std::string folder = launch.temporary_folder.string();
  Command command;
  command.arguments = {
      launch.mpirun.string(),
      // Here and nowhere else, whatever a batch system's allocation says.
      "--mca", "plm", "isolated", "--mca", "ras", "^slurm,tm,lsf,gridengine",  //
      "--bind-to", "none",  // each rank binds itself to the CPUs of its slot
      // Waiting ranks poll: without this they starve the threads that they wait for.
      "--mca", "mpi_yield_when_idle", "1",  //
      // All its files, shared memory too: those of a launcher that was killed are swept with the folder.
      "--mca", "orte_tmpdir_base", folder, "--mca", "btl_vader_backing_directory", folder};
  for (size_t i = 0; i < launch.parts.size(); ++i) {
    if (i > 0) command.arguments.push_back(":");
    for (std::string& word : CommandOf(launch, launch.parts[i])) command.arguments.push_back(std::move(word));
  }
  command.environment = ForLauncher(ForTrainer(WithoutOuterLaunch(CurrentEnvironment()), {launch.threads}));
  // A cluster sends SIGTERM to everything at once. mpirun would leave its ranks a second; they need one to checkpoint.
  command.blocked_signals = {SIGTERM};
  command.ignored_signals = {SIGUSR1};
  return command;
}

}  // namespace tutti::worker
