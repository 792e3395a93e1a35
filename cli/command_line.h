// The subcommands of `tutti`: each is a file in commands/ and a line in command_line.cc.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress_display.h"
#include "cli/render/next_command.h"

namespace tutti::cli {

// What a subcommand does once the arguments were read; its answer is the exit code.
using Action = std::function<int()>;

// Declares one subcommand; when it was called, its action is put into `chosen`.
using AddCommand = void (*)(CLI::App& program, Action& chosen);

void AddRun(CLI::App& program, Action& chosen);
void AddValidate(CLI::App& program, Action& chosen);
void AddPlan(CLI::App& program, Action& chosen);
void AddList(CLI::App& program, Action& chosen);
void AddShow(CLI::App& program, Action& chosen);
void AddLogs(CLI::App& program, Action& chosen);
void AddWhy(CLI::App& program, Action& chosen);
void AddWatch(CLI::App& program, Action& chosen);
void AddResume(CLI::App& program, Action& chosen);
void AddPriority(CLI::App& program, Action& chosen);
void AddCancel(CLI::App& program, Action& chosen);
void AddRemove(CLI::App& program, Action& chosen);
void AddDrain(CLI::App& program, Action& chosen);
void AddDiskUsage(CLI::App& program, Action& chosen);
void AddCollectGarbage(CLI::App& program, Action& chosen);
void AddFileSystemCheck(CLI::App& program, Action& chosen);
void AddSubmit(CLI::App& program, Action& chosen);
void AddCoordinator(CLI::App& program, Action& chosen);
void AddWorker(CLI::App& program, Action& chosen);
void AddWorkers(CLI::App& program, Action& chosen);
void AddSlurm(CLI::App& program, Action& chosen);
void AddDoctor(CLI::App& program, Action& chosen);
void AddCompletion(CLI::App& program, Action& chosen);
void AddRank(CLI::App& program, Action& chosen);

// Reads the arguments and does what they say. Returns the exit code: 2 for wrong usage.
int RunCommandLine(int count, const char* const* arguments);

// What subcommands share.

// The argument that names ensembles: an id or `last`.
CLI::Option* AsEnsembleId(CLI::Option* option);

// A duration, which is not negative.
CLI::Option* AsSeconds(CLI::Option* option, double least = 0);

// A priority among ensembles.
CLI::Option* AsPriority(CLI::Option* option);

struct HomeOption {
  std::optional<std::string> home;
  void AddTo(CLI::App& command);
  std::filesystem::path Find() const;
};
struct OutputOption {
  std::string format = "text";
  bool quiet = false;
  void AddFormatTo(CLI::App& command);  // -o
  void AddQuietTo(CLI::App& command);
  Output Choose() const;
};
// The slots of the worker in this process.
struct SlotOptions {
  std::optional<int> slots;
  std::optional<int> threads_per_slot;
  std::optional<int> slots_per_gpu;
  std::string device = "auto";  // auto, cpu, cuda
  void AddTo(CLI::App& command);
  bool given() const { return slots || threads_per_slot || slots_per_gpu || device != "auto"; }
};

// With what a command was given; a home that the environment names needs no repeating.
NextCommand NextAfter(const HomeOption& home, const SlotOptions& slots = {});

}  // namespace tutti::cli
