// For commands that change what is stored: the coordinator that serves a home, or one for the length of a call.
#pragma once

#include <filesystem>
#include <functional>

#include "cli/client.h"

namespace tutti::cli {

// Calls `change` with a client of a coordinator that answers. Where none serves a home, one is started without
// workers, and ended after the call. kNotFound, having made nothing, where the home holds no ensembles.
// kEnded: what ran there without a coordinator is taken to have ended with it, as what `tutti run` trains does.
// kMayRun: a service's workers may be at work still, and come back to their coordinator; nothing of theirs is touched.
enum class Remains { kEnded, kMayRun };
Result<void> WithCoordinator(const network::Peer& peer, const std::function<Result<void>(const Client&)>& change,
                             Remains remains = Remains::kEnded);

// Asks again and again until `done` says true. kTimeout with `what` after `deadline`; the error of `done` at once.
Result<void> WaitUntil(const std::function<Result<bool>()>& done, Duration deadline, std::string_view what);

}  // namespace tutti::cli
