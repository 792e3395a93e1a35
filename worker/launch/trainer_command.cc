#include "worker/launch/trainer_command.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "worker/launch/environment.h"

namespace tutti::worker {

namespace {

std::vector<std::string> RankCommand(const GangLaunch& launch, const std::vector<std::string>& workers) {
  std::vector<std::string> words = {launch.tutti.string(), "rank", launch.attempt.str()};
  for (const std::string& worker : workers) words.insert(words.end(), {"--worker", worker});
  words.insert(words.end(), {"--home", launch.home.string(), "--meeting-folder", launch.meeting_folder.string()});
  return words;
}

int RanksOn(const GangLaunch& launch, const std::string& host) {
  int ranks = 0;
  for (const GangPart& part : launch.parts) ranks += part.host == host ? part.ranks : 0;
  return ranks;
}

bool IsOnOneMachine(const GangLaunch& launch) {
  return std::ranges::all_of(launch.parts, [&](const GangPart& part) { return part.host == launch.parts[0].host; });
}

void Append(std::vector<std::string>& words, std::vector<std::string> more) {
  std::ranges::move(more, std::back_inserter(words));
}

// mpirun numbers ranks command by command.
std::vector<std::string> CommandsOfMpirun(const GangLaunch& launch) {
  const bool here = IsOnOneMachine(launch);
  std::vector<std::string> words;
  for (const GangPart& part : launch.parts) {
    if (!words.empty()) words.emplace_back(":");
    Append(words, {"-np", std::to_string(part.ranks), "--host",
                   fmt::format("{}:{}", here ? "localhost" : part.host, RanksOn(launch, part.host))});
    Append(words, RankCommand(launch, {part.worker.str()}));
  }
  return words;
}

// Where it starts ranks, and all its files lie, shared memory too: those of a launcher that was killed are swept with
// the folder. Across machines it takes the folder from TMPDIR for its own machine; on others Open MPI's own folders
// serve, which its daemons sweep.
std::vector<std::string> PlacesOfMpirun(const GangLaunch& launch) {
  if (!IsOnOneMachine(launch)) return {"--mca", "plm", "rsh"};
  const std::string folder = launch.temporary_folder.string();
  return {"--mca", "plm", "isolated", "--mca", "orte_tmpdir_base", folder, "--mca", "btl_vader_backing_directory",
          folder};
}

std::vector<std::string> MpirunCommand(const GangLaunch& launch) {
  std::vector<std::string> words = {launch.program.string(),
                                    // Where it is told to and nowhere else, whatever a batch system's allocation says.
                                    "--mca", "ras", "^slurm,tm,lsf,gridengine",  //
                                    "--bind-to", "none",  // each rank binds itself to the CPUs of its slot
                                    // Waiting ranks poll: without this they starve the threads that they wait for.
                                    "--mca", "mpi_yield_when_idle", "1"};
  Append(words, PlacesOfMpirun(launch));
  Append(words, CommandsOfMpirun(launch));
  return words;
}

// A node for each rank, and a worker.
std::vector<std::string> SrunCommand(const GangLaunch& launch) {
  std::string nodes;
  std::vector<std::string> workers;
  std::set<std::string> hosts;
  for (const GangPart& part : launch.parts) {
    hosts.insert(part.host);
    for (int rank = 0; rank < part.ranks; ++rank) {
      nodes += (nodes.empty() ? "" : ",") + part.host;
      workers.push_back(part.worker.str());
    }
  }
  std::vector<std::string> words = {launch.program.string(),
                                    "--mpi=pmix",
                                    "--overlap",  // beside the step of the workers, on the same CPUs
                                    "--distribution=arbitrary",
                                    "--nodelist=" + nodes,
                                    fmt::format("--nodes={}", hosts.size()),
                                    fmt::format("--ntasks={}", workers.size()),
                                    "--cpu-bind=none",
                                    "--mem=0",
                                    "--kill-on-bad-exit=1",
                                    "--quiet"};
  Append(words, RankCommand(launch, workers));
  return words;
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
  const bool slurm = launch.launcher == Launcher::kSrun;
  const Environment outer = CurrentEnvironment();
  Command command;
  command.arguments = slurm ? SrunCommand(launch) : MpirunCommand(launch);
  const Environment inner = slurm ? ForSrun(outer) : ForLauncher(WithoutOuterLaunch(outer));
  command.environment = ForTrainer(inner, {launch.threads});
  if (!slurm && !IsOnOneMachine(launch)) command.environment["TMPDIR"] = launch.temporary_folder.string();
  // A cluster sends SIGTERM to everything at once. A launcher would leave its ranks a second; they need one to
  // checkpoint.
  command.blocked_signals = {SIGTERM};
  command.ignored_signals = {SIGUSR1};
  return command;
}

}  // namespace tutti::worker
