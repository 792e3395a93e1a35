// Where the log of coordinator and agent goes, so that it never stands between what a command prints.
#pragma once

#include <filesystem>

namespace tutti::cli {

// Nowhere, until LogToHome: what a user must know is in the commands' own errors. Called before anything is logged.
void StartLog();

// From now on to HOME/coordinator.log, the last 20 MB of it. A log that cannot be written is done without.
void LogToHome(const std::filesystem::path& home);

}  // namespace tutti::cli
