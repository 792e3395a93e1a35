#include "cli/borrowed_coordinator.h"

#include <thread>

#include "cli/console.h"
#include "cli/home.h"
#include "coordinator/server/access.h"
#include "coordinator/server/coordinator.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll{20};

// What workers of a service train ends once they hear of it.
void SayWhoMayTrain(const std::filesystem::path& home) {
  if (!PosixFileSystem().Exists(server::OperatorTokenFile(home))) return;
  PrintToError(
      fmt::format("tutti: no coordinator serves {} now: workers that train for it hear of this once `tutti "
                  "coordinator` does again\n",
                  home.string()));
}

}  // namespace

Result<void> WithCoordinator(const network::Peer& peer, const std::function<Result<void>(const Client&)>& change,
                             Remains remains) {
  const Client client(peer);
  if (std::holds_alternative<network::Remote>(peer)) return change(client);
  const auto& home = std::get<std::filesystem::path>(peer);
  const auto served = client.Ensembles();
  if (served || served.error().code != ErrorCode::kUnreachable) return change(client);
  if (!PosixFileSystem().Exists(home / "catalog")) {
    return Fail(ErrorCode::kNotFound, "there is no ensemble in {}; --home or TUTTI_HOME names another home",
                home.string());
  }
  server::CoordinatorOptions options;
  options.home = home;
  if (remains == Remains::kEnded) {
    options.core.recovery_lease = Duration(0);
    options.core.interrupted = core::Interrupted::kStop;
    SayWhoMayTrain(home);
  }
  const auto coordinator = server::Coordinator::Start(std::move(options));
  if (!coordinator) return tl::unexpected(WithWaysToMakeRoom(coordinator.error(), home));
  const auto changed = change(client);
  const auto failure = (*coordinator)->failure();  // of which the client has seen the end alone
  if (!changed && failure) return tl::unexpected(WithWaysToMakeRoom(*failure, home));
  return changed;
}

Result<void> WaitUntil(const std::function<Result<bool>()>& done, Duration deadline, std::string_view what) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (true) {
    TUTTI_ASSIGN_OR_RETURN(const bool is_done, done());
    if (is_done) return {};
    if (std::chrono::steady_clock::now() > end) {
      return Fail(ErrorCode::kTimeout, "waited {} s in vain: {}",
                  std::chrono::duration_cast<std::chrono::seconds>(deadline).count(), what);
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace tutti::cli
