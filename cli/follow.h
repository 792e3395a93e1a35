// Trains an ensemble in this process and stays with it until it ends or the user stops it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "cli/client.h"
#include "cli/local_cluster.h"
#include "cli/progress_display.h"
#include "cli/render/next_command.h"

namespace tutti::cli {

// Asks a coordinator that has just started for an ensemble, says so to the user, and returns the ensemble's id.
using AskForEnsemble = std::function<Result<std::string>(const Client& client)>;

// Asked once a second while an ensemble runs: why it will come to no end.
using LookAhead = std::function<std::optional<Error>(const Client& client, const EnsembleDocument& ensemble)>;

// Starts a cluster on `home`, which `cluster` says more of, asks it for an ensemble, shows progress, then how the
// ensemble ended, and takes the cluster down. One SIGINT, SIGTERM or SIGUSR1 makes members checkpoint and stop, and
// prints how to go on, which `next` knows; before there is anything to stop it ends the start. A second one ends the
// process at once. An ensemble that can not be followed any more, or for which `look_ahead` sees no end, is stopped in
// the same way. Returns the exit code.
int TrainHere(const std::filesystem::path& home, const ClusterOptions& cluster, Output output, const NextCommand& next,
              const AskForEnsemble& ask, const LookAhead& look_ahead = {});

// Prints how an ensemble ended; `json` is what `document` was read from. Returns the exit code of `tutti run`.
int PrintEnd(const Json& json, const EnsembleDocument& document, const std::filesystem::path& home, Output output);

}  // namespace tutti::cli
