// tutti drain WORKER
#include <unistd.h>

#include <chrono>
#include <thread>

#include "cli/client.h"
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/render/documents.h"
#include "cli/signals.h"
#include "cli/waiting.h"

namespace tutti::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{500};
// A coordinator may be started again while its worker is waited for.
constexpr Duration kRestart = std::chrono::minutes(2);

struct Options {
  std::string worker;
  bool checkpoint = false;
  bool wait = false;
  bool undo = false;
  CoordinatorOption coordinator;
};

Result<int> SlotsBusy(const Client& client, const std::string& name) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, client.Workers());
  TUTTI_ASSIGN_OR_RETURN(const std::vector<WorkerDocument> workers, ReadWorkers(json));
  for (const WorkerDocument& worker : workers) {
    if (worker.id == name) return worker.busy;
  }
  return 0;
}

// Members train as long as they take: who waits decides for how long.
Result<void> WaitUntilIdle(const Client& client, const std::string& name) {
  while (true) {
    TUTTI_ASSIGN_OR_RETURN(const int busy, AskWithin(kRestart, [&] { return SlotsBusy(client, name); }));
    if (busy == 0) return {};
    std::this_thread::sleep_for(kPoll);
  }
}

Result<std::string> DrainNow(const Options& options, const Client& client) {
  if (options.undo) {
    TUTTI_RETURN_IF_ERROR(client.Undrain(options.worker));
    return fmt::format("{} takes members again.\n", options.worker);
  }
  TUTTI_RETURN_IF_ERROR(client.Drain(options.worker, options.checkpoint));
  if (options.wait) {
    const StopSignals signals([&](int signal, int) {
      PrintToError(fmt::format("tutti: {0} stays drained; `tutti drain {0} --undo` takes it back.\n", options.worker));
      _exit(ExitCodeOfSignal(signal));
    });
    TUTTI_RETURN_IF_ERROR(WaitUntilIdle(client, options.worker));
    return fmt::format("{} is idle; `tutti drain {} --undo` takes it back.\n", options.worker, options.worker);
  }
  return fmt::format("{} takes nothing new; what runs there {}. `tutti drain {} --undo` takes it back.\n",
                     options.worker, options.checkpoint ? "checkpoints and goes on elsewhere" : "goes on to its end",
                     options.worker);
}

std::string CheckName(const std::string& text) {
  return IsValidName(text) ? "" : fmt::format("'{}' cannot be the name of a worker", text);
}

int Drain(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const auto outcome = DrainNow(options, Client(*peer));
  if (!outcome) return EndWith(outcome.error());
  Print(*outcome);
  return kExitDone;
}

}  // namespace

void AddDrain(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("drain", "Give a worker nothing new, so that its node can be taken");
  command->add_option("worker", options->worker, "The worker, as `tutti workers` lists it")
      ->required()
      ->check(CLI::Validator(CheckName, ""))
      ->type_name("WORKER");
  CLI::Option* checkpoint = command->add_flag("--checkpoint", options->checkpoint,
                                              "What runs there checkpoints and goes on elsewhere, at once");
  CLI::Option* wait = command->add_flag("--wait", options->wait, "Return when nothing runs there any more");
  command->add_flag("--undo", options->undo, "Take it back into service")->excludes(checkpoint)->excludes(wait);
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Drain(*options); }; });
}

}  // namespace tutti::cli
