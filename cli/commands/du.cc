// tutti du
#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/render/usage.h"

namespace tutti::cli {
namespace {

struct Options {
  HomeOption home;
  OutputOption output;
};

int ShowUsage(const Options& options) {
  const std::filesystem::path home = options.home.Find();
  const auto usage = storage::MeasureHome(PosixFileSystem(), home);
  if (!usage) {
    Complain(usage.error());
    return ExitCodeOf(usage.error().code);
  }
  Print(options.output.Choose() == Output::kJson ? UsageDocument(*usage).dump(2) + "\n"
                                                 : RenderUsage(*usage, OutputColour()));
  return kExitDone;
}

}  // namespace

void AddDiskUsage(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("du", "Say how much room ensembles and their members take");
  options->home.AddTo(*command);
  options->output.AddFormatTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return ShowUsage(*options); }; });
}

}  // namespace tutti::cli
