// tutti gc
#include "cli/borrowed_coordinator.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/render/text.h"

namespace tutti::cli {
namespace {

constexpr Duration kDeadline = std::chrono::minutes(5);  // for all that is deleted

struct Options {
  bool dry_run = false;
  CoordinatorOption coordinator;
  OutputOption output;
};

std::string Render(const Json& json, bool dry_run, const Page& page) {
  using enum Table::Align;
  Table table({kRight, kLeft, kLeft});
  for (const Json& one : json.at("garbage")) {
    table.Add({FormatBytes(one.at("bytes").get<uint64_t>()), one.at("kind").get<std::string>(),
               one.at("path").get<std::string>()});
  }
  if (json.at("garbage").empty()) return "There is nothing to delete.\n";
  const std::string bytes = FormatBytes(json.at("bytes").get<uint64_t>());
  return table.Render(page) +
         fmt::format("{} {}.\n", bytes, dry_run ? "would be freed; without --dry-run they are" : "are freed");
}

Result<void> Collect(const Client& client, const Options& options) try {
  TUTTI_ASSIGN_OR_RETURN(const Json json, Client(client.peer(), kDeadline).CollectGarbage(options.dry_run));
  const bool as_json = options.output.Choose() == Output::kJson;
  Print(as_json ? json.dump(2) + "\n" : Render(json, options.dry_run, OutputPage()));
  return {};
} catch (const Json::exception& error) {
  return Fail(ErrorCode::kInvalid, "the coordinator's answer is no list of garbage: {}", error.what());
}

int CollectGarbage(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto done = WithCoordinator(
      *peer, [&](const Client& client) { return Collect(client, options); }, Remains::kMayRun);
  return done ? kExitDone : EndWith(done.error());
}

}  // namespace

void AddCollectGarbage(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("gc", "Delete what is of no use to anybody");
  command->add_flag("--dry-run", options->dry_run, "Only name it");
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return CollectGarbage(*options); }; });
}

}  // namespace tutti::cli
