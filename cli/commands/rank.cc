// tutti rank ATTEMPT: what mpirun starts for each rank of a gang. Not for people, so the help does not list it.
#include "worker/launch/rank.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "common/ids.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string attempt;
  std::string socket;
};

int Rank(const Options& options) {
  const auto attempt = ParseAttemptId(options.attempt);
  if (!attempt) {
    Complain(attempt.error());
    return kExitUsage;
  }
  return worker::RunRank({.attempt = *attempt, .socket = options.socket});
}

}  // namespace

void AddRank(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("rank", "Run one rank of a gang; workers call this through mpirun");
  command->group("");
  command->add_option("attempt", options->attempt, "The attempt")->required()->type_name("ATTEMPT");
  command->add_option("--socket", options->socket, "Where the worker of this node listens")
      ->required()
      ->type_name("PATH");
  command->callback([options, &chosen] { chosen = [options] { return Rank(*options); }; });
}

}  // namespace tutti::cli
