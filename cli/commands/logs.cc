// tutti logs ID/MEMBER
#include <algorithm>
#include <thread>

#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/documents.h"

namespace tutti::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{250};

struct Options {
  std::string member;
  bool follow = false;
  HomeOption home;
};

// A job that is no member (".inspect") counts by its ensemble.
Result<bool> HasEnded(const Reader& reader, const JobId& job) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, reader.Ensemble(job.ensemble.str()));
  TUTTI_ASSIGN_OR_RETURN(const EnsembleDocument document, ReadEnsemble(json));
  if (document.ended() || !reader.IsServed()) return true;
  const auto member = std::find_if(document.members.begin(), document.members.end(),
                                   [&](const MemberDocument& candidate) { return candidate.name == job.name; });
  return member != document.members.end() && member->state != "waiting" && member->state != "running";
}

// Prints what there is from `offset` on, answer by answer, and moves `offset` behind it.
Result<void> PrintRest(const Reader& reader, const JobId& job, uint64_t& offset) {
  while (true) {
    TUTTI_ASSIGN_OR_RETURN(const std::string text, reader.Log(job, offset));
    if (text.empty()) return {};
    Print(text);
    offset += text.size();
  }
}

Result<void> PrintLog(const Reader& reader, const JobId& job, bool follow) {
  uint64_t offset = 0;
  while (true) {
    // Asked before the text is read, so that nothing written before the end is missed.
    TUTTI_ASSIGN_OR_RETURN(const bool ended, follow ? HasEnded(reader, job) : Result<bool>(true));
    const auto printed = PrintRest(reader, job, offset);
    if (!printed && (ended || printed.error().code != ErrorCode::kNotFound)) return printed;
    if (ended) return {};
    std::this_thread::sleep_for(kPoll);
  }
}

int Logs(const Options& options) {
  const auto job = ParseMemberName(options.member);
  const auto printed =
      job ? PrintLog(Reader(options.home.Find()), *job, options.follow) : Result<void>(tl::unexpected(job.error()));
  if (printed) return kExitDone;
  Complain(printed.error());
  return ExitCodeOf(printed.error().code);
}

}  // namespace

void AddLogs(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("logs", "Print what a member's trainer wrote");
  command->add_option("member", options->member, "The member")->required()->type_name("ID/MEMBER");
  command->add_flag("-f,--follow", options->follow, "Go on printing until the member ends");
  options->home.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Logs(*options); }; });
}

}  // namespace tutti::cli
