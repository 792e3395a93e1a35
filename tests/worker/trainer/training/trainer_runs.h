// Runs the real tutti-trainer on small data, as a worker or a person at a shell would.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/protocol/task.h"
#include "common/protocol/trainer_events.h"
#include "tests/support/temporary_folder.h"

namespace tutti::trainer {

// How the trainer is started.
struct Launch {
  int ranks = 1;                          // above 1: by mpirun
  std::optional<uint64_t> kill_at_bytes;  // SIGKILL once the events file has this many bytes
  int signal_on_step = 0;                 // SIGUSR1, several times, once an event names a step at least this far
  bool stop_on_progress = false;          // SIGTERM once a Progress event is there
  bool stop_on_events_file = false;       // SIGTERM once the events file is there
  uint64_t memory_limit = 0;              // RLIMIT_AS, or what stands in for it, in bytes; 0: none
  uint64_t file_size_limit = 0;           // RLIMIT_FSIZE in bytes; 0: none
};

struct RunOutcome {
  int exit_code = 0;   // 128 + signal for a signal's
  std::string output;  // on stdout
  std::string errors;  // what it said on stderr
  std::vector<protocol::TrainerEvent> events;
};

// How many samples each part of a split has; they follow each other from id 0 on. A part of none is left out.
struct SplitSizes {
  int64_t training = 0;
  int64_t validation = 0;
  int64_t test = 0;
};
void WriteSplit(const std::filesystem::path& path, SplitSizes sizes);

// A folder with IDX files of images that can be told apart, a split and tasks over them.
class TrainerRuns {
 public:
  TrainerRuns();

  // A training of attempt `number` with settings that the caller may change.
  protocol::Task MakeTask(const std::string& member, int number = 1) const;
  // A member with all that a resume must bring back: dropout, momentum, the best model, checkpoints between epochs.
  protocol::Task MakeRichTask(const std::string& member) const;
  RunOutcome Run(const protocol::Task& task, const Launch& launch = {}) const;
  RunOutcome RunFile(const std::filesystem::path& task_file, const std::filesystem::path& events,
                     const Launch& launch = {}) const;
  // A gang in which each rank is given a task file of its own.
  RunOutcome RunRanks(const std::vector<std::filesystem::path>& task_files, const std::filesystem::path& events) const;
  // Any arguments; `events` is read afterwards.
  RunOutcome RunProgram(const std::vector<std::string>& arguments, const std::filesystem::path& events,
                        const Launch& launch = {}) const;
  std::filesystem::path WriteTask(const protocol::Task& task) const;  // at the root, as MEMBER-NUMBER.json

  // The next attempt at the same job, from the newest checkpoint of those so far.
  protocol::Task Retry(const protocol::Task& task) const;
  // Bytes of a committed checkpoint's model, and of its training state without what tells times.
  std::string ModelAt(const protocol::Task& task, int64_t step) const;
  std::string TrainingTensorsAt(const protocol::Task& task, int64_t step) const;

  const std::filesystem::path& root() const { return folder_.path(); }
  static constexpr int64_t kTraining = 300, kValidation = 1100, kTest = 30;

  // 300 samples in batches of 32: 9 whole ones and one of 12. The steps of MakeTask and MakeRichTask.
  static constexpr int64_t kStepsPerEpoch = 10, kLastStep = 30, kRichLastStep = 60;

 private:
  RunOutcome RunCommand(const std::vector<std::string>& command, const std::filesystem::path& events,
                        const Launch& launch) const;

  testing::TemporaryFolder folder_;
};

// The bytes of what an attempt predicted.
std::string Predictions(const protocol::Task& task, const std::string& predictor, Split split);

// What an undisturbed rich run and one that was disturbed may differ in: nothing but seconds.
void ExpectSameEnd(const TrainerRuns& runs, const protocol::Task& undisturbed, const protocol::Task& last);

template <typename Event>
std::vector<Event> Of(const std::vector<protocol::TrainerEvent>& events) {
  std::vector<Event> found;
  for (const auto& event : events) {
    if (const auto* match = std::get_if<Event>(&event)) found.push_back(*match);
  }
  return found;
}

}  // namespace tutti::trainer
