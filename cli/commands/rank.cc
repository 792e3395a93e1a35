// tutti rank ATTEMPT: what mpirun starts for each rank of a gang. Not for people, so the help does not list it.
#include "worker/launch/rank.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "common/ids.h"
#include "worker/agent/runtime_folder.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string attempt;
  std::vector<std::string> workers;
  std::filesystem::path home;
  std::filesystem::path meeting_folder;
};

// mpirun is told one command a worker, srun one for all.
Result<WorkerId> OwnWorker(const std::vector<std::string>& workers) {
  if (workers.size() == 1) return WorkerId(workers.front());
  TUTTI_ASSIGN_OR_RETURN(const int rank, worker::OwnRank(worker::CurrentEnvironment()));
  if (static_cast<size_t>(rank) < workers.size()) return WorkerId(workers[static_cast<size_t>(rank)]);
  return Fail(ErrorCode::kInvalid, "there is no worker for rank {}", rank);
}

int Rank(const Options& options) {
  const auto attempt = ParseAttemptId(options.attempt);
  if (!attempt) {
    Complain(attempt.error());
    return kExitUsage;
  }
  const auto own = OwnWorker(options.workers);
  if (!own) return worker::RefuseRank(*attempt, own.error());
  const auto socket = worker::FindRankSocket(options.meeting_folder, {options.home, *own});
  if (!socket) return worker::RefuseRank(*attempt, socket.error());
  return worker::RunRank({.attempt = *attempt, .socket = *socket});
}

}  // namespace

void AddRank(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("rank", "Run one rank of a gang; workers call this through mpirun");
  command->group("");
  command->add_option("attempt", options->attempt, "The attempt")->required()->type_name("ATTEMPT");
  command->add_option("--worker", options->workers, "The worker that granted its slot, or those of all ranks in turn")
      ->required()
      ->allow_extra_args(false)
      ->type_name("NAME");
  command->add_option("--home", options->home, "The worker's home")->required()->type_name("DIR");
  command->add_option("--meeting-folder", options->meeting_folder, "Where ranks find the workers of their node")
      ->required()
      ->type_name("DIR");
  command->callback([options, &chosen] { chosen = [options] { return Rank(*options); }; });
}

}  // namespace tutti::cli
