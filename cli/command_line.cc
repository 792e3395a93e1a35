#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <sstream>

#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/home.h"
#include "cli/logging.h"

namespace tutti::cli {
namespace {

// In the order in which the help lists them.
constexpr AddCommand kCommands[]{
    AddRun,    AddResume,    AddValidate,        AddList, AddShow, AddWatch, AddLogs, AddWhy, AddCancel,
    AddRemove, AddDiskUsage, AddFileSystemCheck, AddRank,
};

constexpr const char* kFooter =
    "ID is an ensemble's id, like fashion-mnist-1, or `last`.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or experiment, 3 no coordinator answers, 4 not authorised,\n"
    "5 answered with fewer members than asked for, 6 no such thing, 70 our own fault, 124 timed out,\n"
    "130 and 143 stopped: resumable.";

int Explain(const CLI::App& program, const CLI::ParseError& error) {
  std::ostringstream output, errors;
  const int code = program.exit(error, output, errors);
  Print(output.str());
  PrintToError(errors.str());
  return code == 0 ? kExitDone : kExitUsage;
}

// Without the word that CLI11 would add to the help.
CLI::Validator Positive() { return CLI::Validator(CLI::PositiveNumber).description(""); }

}  // namespace

int RunCommandLine(int count, const char* const* arguments) {
  StartLog();
  CLI::App program("Trains an ensemble of neural networks and answers with one voice.", "tutti");
  program.set_version_flag("--version", TUTTI_VERSION);
  program.require_subcommand(1);
  program.footer(kFooter);
  Action chosen;
  for (const AddCommand add : kCommands) add(program, chosen);
  try {
    program.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return Explain(program, error);
  }
  return chosen();
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
  command.add_option("--slots", slots, "Slots that this machine lends; as many as it has CPUs for by default")
      ->check(Positive())
      ->type_name("N");
  command.add_option("--threads-per-slot", threads_per_slot, "CPU threads of a slot")
      ->check(Positive())
      ->default_str("1")
      ->type_name("N");
}

}  // namespace tutti::cli
