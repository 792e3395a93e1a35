// tutti validate FILE
#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/experiment.h"
#include "cli/render/text.h"
#include "common/spec/render.h"

namespace tutti::cli {
namespace {

struct Options {
  std::string file;
  std::vector<std::string> overrides;
  bool resolved = false;
};

int Validate(const Options& options) {
  const auto experiment = ReadExperiment(options.file, options.overrides);
  if (!experiment) return kExitUsage;
  if (options.resolved) {
    Print(spec::RenderYaml(experiment->spec));
  } else {
    Print(fmt::format("{}: a valid experiment with {}, combined by {}\n", options.file,
                      FormatMembers(std::ssize(experiment->spec.members)), experiment->spec.combiner.name));
  }
  return kExitDone;
}

}  // namespace

void AddValidate(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("validate", "Name every mistake in an experiment file; writes nothing");
  command->add_option("file", options->file, "The experiment")->required()->type_name("FILE");
  command->add_option("--set", options->overrides, "Change a default, as in training.epochs=3; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command->add_flag("--resolved", options->resolved, "Print the experiment with every default filled in");
  command->callback([options, &chosen] { chosen = [options] { return Validate(*options); }; });
}

}  // namespace tutti::cli
