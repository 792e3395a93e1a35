#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <sstream>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/home.h"
#include "cli/logging.h"
#include "cli/ranks/outer_launch.h"
#include "common/ids.h"
#include "common/records.h"
#include "common/spec/nearest.h"
#include "common/whole_number.h"

namespace tutti::cli {
namespace {

// In the order in which the help lists them.
constexpr AddCommand kCommands[]{
    AddRun,         AddResume, AddSubmit,   AddValidate, AddPlan,   AddList,      AddShow,           AddWatch,
    AddLogs,        AddWhy,    AddPriority, AddCancel,   AddRemove, AddDiskUsage, AddCollectGarbage, AddFileSystemCheck,
    AddCoordinator, AddWorker, AddWorkers,  AddDrain,    AddSlurm,  AddDoctor,    AddCompletion,     AddRank,
};

constexpr const char* kFooter =
    "ID is an ensemble's id, like fashion-mnist-1, or `last`.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or experiment, 3 no coordinator answers, 4 not authorised,\n"
    "5 answered with fewer members than asked for, 6 no such thing, 70 our own fault, 124 timed out,\n"
    "129, 130 and 143 stopped: resumable.";

int Explain(const CLI::App& program, const CLI::ParseError& error) {
  std::ostringstream output, errors;
  const int code = program.exit(error, output, errors);
  // All ranks of a launch see the same arguments: the first says what is wrong with them.
  if (IsFollowingRank(worker::CurrentEnvironment())) return code == 0 ? kExitDone : kExitUsage;
  Print(output.str());
  PrintToError(errors.str());
  return code == 0 ? kExitDone : kExitUsage;
}

// No machine has more, and a slip of the finger is no request for thousands of trainers.
constexpr int kMostThreads = 4096;

// CLI11's own range speaks of floating-point limits, and of nothing where the text is no number. The empty description:
// without the words that CLI11 would add to the help.
CLI::Validator CountOfThreads() {
  const auto check = [](const std::string& text) -> std::string {
    const int count = ParseWholeNumber<int>(text).value_or(0);
    if (count >= 1 && count <= kMostThreads) return "";
    return fmt::format("'{}' is no whole number from 1 to {}", text, kMostThreads);
  };
  return CLI::Validator(check, "");
}

// A year: more is for ever, and far from where a Duration ends.
constexpr double kMostSeconds = 365 * 86'400;

// What is wrong with the first word, where that is neither a command nor an option of the program itself.
std::optional<std::string> ComplaintOfFirstWord(const CLI::App& program, std::string_view word) {
  if (word.starts_with('-')) {
    if (program.get_option_no_throw(std::string(word.substr(0, word.find('=')))) != nullptr) return std::nullopt;
    return fmt::format("options stand after the command: tutti COMMAND {} ...", word);
  }
  std::vector<std::string> names;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == word) return std::nullopt;
    names.push_back(command->get_name());
  }
  return fmt::format("there is no command '{}'{}; `tutti --help` lists them", word, spec::Suggestion(word, names));
}

int RunChosen(const Action& chosen) {
  const int code = chosen();
  const auto error = OutputError();
  if (code != kExitDone || !error) return code;
  return EndWith(*error);
}

}  // namespace

int RunCommandLine(int count, const char* const* arguments) {
  StartLog();
  CLI::App program("Trains an ensemble of neural networks and answers with one voice.", "tutti");
  program.set_version_flag("--version", TUTTI_VERSION);
  program.require_subcommand(1);
  program.footer(kFooter);
  Action chosen;
  for (const AddCommand add : kCommands) add(program, chosen);
  if (count > 1) {
    if (const auto complaint = ComplaintOfFirstWord(program, arguments[1])) {
      return EndWith(Error{ErrorCode::kInvalid, *complaint, nullptr});
    }
  }
  try {
    program.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return RunChosen([&] { return Explain(program, error); });
  }
  return RunChosen(chosen);
}

CLI::Option* AsSeconds(CLI::Option* option, double least) {
  const auto check = [least](const std::string& text) -> std::string {
    double seconds = 0;
    if (CLI::detail::lexical_cast(text, seconds) && seconds >= least && seconds <= kMostSeconds) return "";
    return fmt::format("'{}' is no number of seconds from {} to {}", text, least, kMostSeconds);
  };
  return option->check(CLI::Validator(check, ""))->type_name("SECONDS");
}

CLI::Option* AsPriority(CLI::Option* option) {
  const auto check = [](const std::string& text) -> std::string {
    int priority = 0;
    if (CLI::detail::lexical_cast(text, priority) && -kMostPriority <= priority && priority <= kMostPriority) return "";
    return fmt::format("'{}' is no whole number from {} to {}", text, -kMostPriority, kMostPriority);
  };
  return option->check(CLI::Validator(check, ""))->type_name("N");
}

CLI::Option* AsEnsembleId(CLI::Option* option) {
  const auto check = [](const std::string& text) -> std::string {
    if (IsValidId(text)) return "";
    return fmt::format("'{}' is no ensemble's id, like fashion-mnist-1, and not `last`", text);
  };
  return option->check(CLI::Validator(check, ""))->type_name("ID");
}

void HomeOption::AddTo(CLI::App& command) {
  command.add_option("--home", home, "Where ensembles live; else TUTTI_HOME, else runs/")->type_name("DIR");
}

std::filesystem::path HomeOption::Find() const { return FindHome(home, std::getenv("TUTTI_HOME")); }

NextCommand NextAfter(const HomeOption& home, const SlotOptions& slots) {
  NextCommand next;
  if (home.home && !home.home->empty()) next.home = home.Find();
  next.slots = slots.slots;
  next.threads_per_slot = slots.threads_per_slot;
  next.slots_per_gpu = slots.slots_per_gpu;
  if (slots.device != "auto") next.device = slots.device;
  return next;
}

void OutputOption::AddFormatTo(CLI::App& command) {
  command.add_option("-o,--output", format, "text, or json: one JSON document")
      ->check(CLI::IsMember({"text", "json"}).description(""))
      ->type_name("FORMAT");
}

void OutputOption::AddQuietTo(CLI::App& command) { command.add_flag("-q,--quiet", quiet, "Print the bare id alone"); }

Output OutputOption::Choose() const {
  if (format == "json") return Output::kJson;
  return quiet ? Output::kQuiet : Output::kText;
}

void SlotOptions::AddTo(CLI::App& command) {
  command
      .add_option("--slots", slots, "Slots that this machine lends; as many as it has GPUs, or CPUs, for by default")
      ->check(CountOfThreads())
      ->type_name("N");
  command
      .add_option("--threads-per-slot", threads_per_slot,
                  "CPU threads of a slot; 1 by default, with GPUs an even share")
      ->check(CountOfThreads())
      ->type_name("N");
  command.add_option("--slots-per-gpu", slots_per_gpu, "Slots that share each GPU, 1 by default")
      ->check(CountOfThreads())
      ->type_name("N");
  command.add_option("--device", device, "What slots are made of: cpu, cuda, or auto: GPUs where there are some")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}).description(""))
      ->type_name("DEVICE");
}

}  // namespace tutti::cli
