// tutti workers
#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/render/listing.h"

namespace tutti::cli {
namespace {

struct Options {
  CoordinatorOption coordinator;
  OutputOption output;
};

int ListWorkers(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto json = Client(*peer).Workers();
  if (!json) return EndWith(json.error());
  if (options.output.Choose() == Output::kJson) {
    Print(json->dump(2) + "\n");
    return kExitDone;
  }
  const auto workers = ReadWorkers(*json);
  if (!workers) return EndWith(workers.error());
  if (options.output.quiet) {
    for (const WorkerDocument& worker : *workers) Print(worker.id + "\n");
  } else {
    Print(RenderWorkers(*workers, OutputPage()));
  }
  return kExitDone;
}

}  // namespace

void AddWorkers(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("workers", "List the workers of the coordinator that serves the home");
  options->coordinator.AddTo(*command);
  options->output.AddFormatTo(*command);
  options->output.AddQuietTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return ListWorkers(*options); }; });
}

}  // namespace tutti::cli
