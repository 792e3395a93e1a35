// Asks a program that answers on its output and ends.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "worker/launch/environment.h"

namespace tutti::worker {

struct ProgramAnswer {
  int exit_code = 0;   // 128 + signal for a signal's
  std::string output;  // stdout and stderr, their first 64 KiB
};

// Runs the program to its end. After the deadline it gets SIGTERM, and three seconds later it and its group are killed:
// kTimeout. Other errors are those of StartProcess. To be called on a thread that stays.
Result<ProgramAnswer> AskProgram(std::vector<std::string> arguments, const Environment& environment, Duration deadline);

}  // namespace tutti::worker
