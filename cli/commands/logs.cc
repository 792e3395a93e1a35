// tutti logs ID/MEMBER
#include <algorithm>
#include <optional>
#include <thread>

#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/documents.h"

namespace tutti::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{250};

struct Options {
  std::string member;
  bool follow = false;
  CoordinatorOption coordinator;
};

struct Standing {
  bool ended = false;         // nothing more will be written
  std::optional<int> newest;  // attempt of a member, the one to come where there is none yet
};

// A job that is no member (".inspect") counts by its ensemble, and its attempts are not told.
Result<Standing> LookAt(const Reader& reader, const JobId& job) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, reader.Ensemble(job.ensemble.str()));
  TUTTI_ASSIGN_OR_RETURN(const EnsembleDocument document, ReadEnsemble(json));
  const bool over = document.ended() || !reader.IsServed();
  const auto member = std::find_if(document.members.begin(), document.members.end(),
                                   [&](const MemberDocument& candidate) { return candidate.name == job.name; });
  if (member == document.members.end()) return Standing{over, std::nullopt};
  const bool open = member->state == "waiting" || member->state == "running";
  return Standing{over || !open, std::max(1, member->attempts)};
}

// Prints a job's log piece by piece, and what a further attempt wrote behind that of the one before.
class LogPrinter {
 public:
  LogPrinter(const Reader& reader, const JobId& job) : reader_(reader), job_(job) {}

  // What there is of the newest attempt, and what is left of those before it that had been begun with.
  Result<void> PrintUpTo(std::optional<int> newest) {
    if (!attempt_) attempt_ = newest;
    for (; attempt_ && *attempt_ < *newest; ++*attempt_, offset_ = 0) TUTTI_RETURN_IF_ERROR(PrintRest());
    return PrintRest();
  }

 private:
  Result<void> PrintRest() {
    while (true) {
      TUTTI_ASSIGN_OR_RETURN(const std::string text, reader_.Log(job_, attempt_, offset_));
      if (text.empty()) return {};
      Print(text);
      offset_ += text.size();
    }
  }

  const Reader& reader_;
  const JobId& job_;
  std::optional<int> attempt_;
  uint64_t offset_ = 0;
};

Result<void> PrintLog(const Reader& reader, const JobId& job, bool follow) {
  LogPrinter printer(reader, job);
  while (true) {
    // Asked before the text is read, so that nothing written before the end is missed.
    TUTTI_ASSIGN_OR_RETURN(const Standing standing, LookAt(reader, job));
    const auto printed = printer.PrintUpTo(standing.newest);
    const bool ends = !follow || standing.ended;
    const bool comes = !printed && standing.newest && printed.error().code == ErrorCode::kNotFound;
    if (!printed && (ends || !comes)) return printed;
    if (ends) return {};
    std::this_thread::sleep_for(kPoll);
  }
}

int Logs(const Options& options) {
  const auto job = ParseMemberName(options.member);
  if (!job) return EndWith(job.error());
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto printed = PrintLog(Reader(*peer), *job, options.follow);
  return printed ? kExitDone : EndWith(printed.error());
}

}  // namespace

void AddLogs(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("logs", "Print what a member's trainer wrote");
  command->add_option("member", options->member, "The member")->required()->type_name("ID/MEMBER");
  command->add_flag("-f,--follow", options->follow, "Go on printing until the member ends");
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Logs(*options); }; });
}

}  // namespace tutti::cli
