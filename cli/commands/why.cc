// tutti why ID/MEMBER
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string member;
  CoordinatorOption coordinator;
};

Result<std::string> FindReason(const Options& options) {
  TUTTI_ASSIGN_OR_RETURN(const JobId job, ParseMemberName(options.member));
  TUTTI_ASSIGN_OR_RETURN(network::Peer peer, options.coordinator.Find());
  return Reader(std::move(peer)).Why(job, NextAfter(options.coordinator));
}

int Why(const Options& options) {
  const auto reason = FindReason(options);
  if (!reason) return EndWith(reason.error());
  Print(*reason + "\n");
  return kExitDone;
}

}  // namespace

void AddWhy(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("why", "Say why a member does not run, or how it ended");
  command->add_option("member", options->member, "The member")->required()->type_name("ID/MEMBER");
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Why(*options); }; });
}

}  // namespace tutti::cli
