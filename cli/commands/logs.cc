// tutti logs ID/MEMBER
#include <optional>

#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/event_stream.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/waiting.h"
#include "common/network/http_text.h"

namespace tutti::cli {
namespace {

// A coordinator may be started again while it is listened to; what served a home here has most likely ended.
constexpr Duration kRestart = std::chrono::minutes(2);
constexpr Duration kRestartHere = std::chrono::seconds(10);

struct Options {
  std::string member;
  bool follow = false;
  CoordinatorOption coordinator;
};

Result<void> PrintWhatThereIs(const Reader& reader, const JobId& job) {
  uint64_t offset = 0;
  while (true) {
    TUTTI_ASSIGN_OR_RETURN(const std::string text, reader.Log(job, std::nullopt, offset));
    if (text.empty()) return {};
    Print(text);
    offset += text.size();
  }
}

// Prints pieces of a log as the coordinator tells them.
class LogFollower {
 public:
  LogFollower(const network::Peer& peer, const JobId& job)
      : peer_(peer),
        restart_(std::holds_alternative<network::Remote>(peer) ? kRestart : kRestartHere),
        target_(network::MemberTarget(job.ensemble.str(), job.name) + "/log?follow=true") {}

  // Until the job has ended. What is lost with a connection is asked for again.
  Result<void> Run() {
    while (true) {
      TUTTI_ASSIGN_OR_RETURN(EventStream stream,
                             AskWithin(restart_, [&] { return EventStream::Open(peer_, target_, seen_); }));
      const auto ended = PrintAll(stream);
      if (ended || ended.error().code != ErrorCode::kUnreachable) return ended;
    }
  }

 private:
  Result<void> PrintAll(EventStream& stream) {
    while (true) {
      TUTTI_ASSIGN_OR_RETURN(const auto event, stream.Next(kRestart));
      if (!event) continue;
      seen_ = event->id;
      if (event->kind == "end") return {};
      if (event->kind == "problem") return Fail(ErrorCode::kIo, "{}", event->Text("title"));
      Print(event->Text("text"));
    }
  }

  const network::Peer& peer_;
  const Duration restart_;
  const std::string target_;
  std::string seen_;  // id of the last event: the place in the log behind it
};

int Logs(const Options& options) {
  const auto job = ParseMemberName(options.member);
  if (!job) return EndWith(job.error());
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const Reader reader(*peer);
  // Where nobody serves the home, nothing more is written.
  const bool follow = options.follow && reader.IsServed();
  const auto printed = follow ? LogFollower(*peer, *job).Run() : PrintWhatThereIs(reader, *job);
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
