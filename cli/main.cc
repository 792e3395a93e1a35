#include <csignal>
#include <exception>

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"

int main(int count, char** arguments) {
  // A reader that went away is seen where output is written, and ends nothing else.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return tutti::cli::RunCommandLine(count, arguments);
  } catch (const std::exception& error) {
    tutti::cli::PrintToError(fmt::format("tutti: this is a fault of tutti itself: {}\n", error.what()));
    return tutti::cli::kExitInternal;
  }
}
