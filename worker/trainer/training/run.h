// The trainer's commands: each does its job, says its events, and returns the exit code of the process.
#pragma once

#include <filesystem>

namespace tutti::trainer {

// Both read a task file (common/protocol/task.h) and say on stderr what went wrong, in a line.
int RunTrain(const std::filesystem::path& task_file);
int RunInspect(const std::filesystem::path& task_file);

// Under mpirun: waits for the other ranks, and rank 0 prints "2 ranks met". To try whether MPI works on this machine.
int RunMeet();

}  // namespace tutti::trainer
