// Stays with an ensemble that trains in this process until it ends or the user stops it.
#pragma once

#include <filesystem>
#include <string>

#include "cli/local_cluster.h"
#include "cli/progress_display.h"

namespace tutti::cli {

// Shows progress, then how the ensemble ended, and takes the cluster down. One SIGINT, SIGTERM or SIGUSR1 makes members
// checkpoint and stop, and prints how to go on; a second one ends the process at once. Returns the exit code.
int FollowHere(LocalCluster& cluster, const std::filesystem::path& home, const std::string& id, Output output);

}  // namespace tutti::cli
