#include "cli/follow.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "cli/client.h"
#include "cli/exit_codes.h"
#include "cli/home.h"
#include "cli/patience.h"
#include "cli/reader.h"
#include "cli/render/results.h"
#include "cli/signals.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll{250};
constexpr Duration kLookAhead = std::chrono::seconds(1);
// A worker gives its trainers a minute to checkpoint, then kills them.
constexpr Duration kStopDeadline = std::chrono::seconds(75);
constexpr const char* kStopping =
    "tutti: stopping; members write their checkpoints.\nA second signal ends them at once.\n";
constexpr const char* kEndedAtOnce = "tutti: ended at once, without new checkpoints.\n";
constexpr const char* kStartingStops = "tutti: stopping before training begins. A second signal ends this at once.\n";
constexpr const char* kNothingBegan = "tutti: stopped before training began; the same command begins it.\n";
// For a coordinator that has no trainers any more.
constexpr Duration kEndDeadline = std::chrono::seconds(10);

// As long as a slow file system may hold up all that the coordinator does.
constexpr Duration kLongestSilence = std::chrono::minutes(5);

class Follower {
 public:
  Follower(const std::filesystem::path& home, Output output, const NextCommand& next)
      : home_(home),
        output_(output),
        next_(next),
        client_(home),
        display_(output),
        signals_([this](int signal, int count) { OnSignal(signal, count); }) {}

  int Run(const ClusterOptions& options, const AskForEnsemble& ask, const LookAhead& look_ahead) {
    const auto begun = Begin(options, ask);
    const auto watched = begun ? Watch(look_ahead) : Result<void>();
    const bool ended_in_time = !cluster_ || TakeDown();
    display_.Close();
    if (!begun) return NotBegun(begun.error());
    if (const auto failure = cluster_->failure()) return Failed(*failure);
    if (!watched) return LostSight(watched.error());
    if (dead_end_) return Failed(*dead_end_);
    if (!ended_in_time) return TooLate();
    return Conclude();
  }

 private:
  // On the signals' thread, so that it works whatever the main thread waits for.
  void OnSignal(int signal, int count) {
    // Once it is there, the cluster stays until this thread has ended.
    LocalCluster* cluster = nullptr;
    std::string id;
    {
      const std::lock_guard lock(mutex_);
      cluster = cluster_.get();
      id = id_;
    }
    if (count == 1) {
      if (cluster != nullptr) cluster->RequestStop();
      display_.Interject(id.empty() ? kStartingStops : kStopping);
      return;
    }
    if (cluster != nullptr) cluster->KillAll();
    display_.Interject((id.empty() ? "" : kEndedAtOnce) + HowToGoOn(id));
    _exit(ExitCodeOfSignal(signal));
  }

  // A signal that came before the cluster was there is seen here, a later one by OnSignal.
  Result<void> Begin(const ClusterOptions& options, const AskForEnsemble& ask) {
    TUTTI_ASSIGN_OR_RETURN(auto cluster, LocalCluster::Start(home_, options));
    {
      const std::lock_guard lock(mutex_);
      cluster_ = std::move(cluster);
    }
    if (signals_.first() != 0) return Fail(ErrorCode::kCancelled, "stopped");
    TUTTI_ASSIGN_OR_RETURN(std::string id, ask(client_));
    const std::lock_guard lock(mutex_);
    id_ = std::move(id);
    return {};
  }

  // Until the ensemble or the coordinator has ended, or the time to stop has. Errors: the ensemble cannot be followed.
  Result<void> Watch(const LookAhead& look_ahead) {
    Patience patience(kLongestSilence);
    while (!cluster_->WaitStopped(Duration(0))) {
      const auto refreshed = Refresh();
      if (refreshed) patience.OnAnswer();
      if (refreshed && document_.ended()) return {};
      if (cluster_->failure()) return {};
      if (refreshed && look_ahead && IsTimeToLook()) dead_end_ = look_ahead(client_, document_);
      if (dead_end_) return {};
      const bool stopping = signals_.first() != 0;
      if (!refreshed && !stopping) {
        if (auto error = patience.OnError(refreshed.error(), std::chrono::steady_clock::now())) {
          return tl::unexpected<Error>(std::move(*error));
        }
      }
      signals_.Wait(kPoll);
      if (signals_.first() != 0 && TimeToStop() == Duration(0)) return {};
    }
    return {};
  }

  bool IsTimeToLook() {
    const auto now = std::chrono::steady_clock::now();
    if (signals_.first() != 0 || now < look_at_) return false;
    look_at_ = now + kLookAhead;
    return true;
  }

  // What is left of the time to stop, which begins with the first call.
  Duration TimeToStop() {
    const auto now = std::chrono::steady_clock::now();
    if (!stop_by_) stop_by_ = now + kStopDeadline;
    return std::max(Duration(0), std::chrono::duration_cast<Duration>(*stop_by_ - now));
  }

  Result<void> Refresh() {
    TUTTI_ASSIGN_OR_RETURN(const Json json, client_.Ensemble(id_));
    TUTTI_ASSIGN_OR_RETURN(document_, ReadEnsemble(json));
    display_.Show(document_);
    return {};
  }

  bool TakeDown() {
    cluster_->RequestStop();
    // Others that were resumed from elsewhere may have to checkpoint still.
    if (cluster_->WaitStopped(TimeToStop())) return true;
    cluster_->KillAll();
    return cluster_->WaitStopped(kEndDeadline);
  }

  int NotBegun(const Error& error) {
    if (signals_.first() != 0) {
      PrintToError(kNothingBegan);
      return ExitCodeOfSignal(signals_.first());
    }
    return EndWith(WithWaysToMakeRoom(cluster_ ? cluster_->failure().value_or(error) : error, home_));
  }

  int Failed(const Error& failure) {
    const int exit_code = EndWith(WithWaysToMakeRoom(failure, home_));
    PrintToError(HowToGoOn(id_));
    return exit_code;
  }

  int LostSight(const Error& error) {
    const int exit_code = EndWith(error);
    PrintToError(fmt::format("{} cannot be followed any more, so that its training was stopped; {} says more.\n", id_,
                             (home_ / "coordinator.log").string()));
    if (error.code != ErrorCode::kNotFound) PrintToError(HowToGoOn(id_));
    return exit_code;
  }

  int TooLate() {
    PrintToError(fmt::format("tutti: {} did not stop in time and was ended; its last checkpoints are kept.\n", id_));
    PrintToError(HowToGoOn(id_));
    return signals_.first() != 0 ? ExitCodeOfSignal(signals_.first()) : kExitTimeout;
  }

  // Once the coordinator has ended, the catalog says how it left the ensemble.
  int Conclude() {
    auto json = Reader(home_).Ensemble(id_);
    auto document = json ? ReadEnsemble(*json) : Result<EnsembleDocument>(tl::unexpected(json.error()));
    if (!document) return Failed(document.error());
    if (document->state != "stopped" && document->ended()) return PrintEnd(*json, *document, home_, output_);
    if (output_ == Output::kJson) Print(json->dump(2) + "\n");
    return Stopped(*document);
  }

  int Stopped(const EnsembleDocument& document) {
    const std::string text = fmt::format("{} stopped with {} of {} members finished.\n", id_, document.members_finished,
                                         document.members_total) +
                             HowToGoOn(id_);
    if (output_ == Output::kText)
      Print(text);
    else
      PrintToError(text);
    return signals_.first() != 0 ? ExitCodeOfSignal(signals_.first()) : kExitFailed;
  }

  std::string HowToGoOn(const std::string& id) const {
    return id.empty() ? kNothingBegan : fmt::format("Go on with: {}\n", next_.Resume(id));
  }

  const std::filesystem::path& home_;
  Output output_;
  const NextCommand& next_;
  Client client_;
  ProgressDisplay display_;
  EnsembleDocument document_;
  std::chrono::steady_clock::time_point look_at_;
  std::optional<Error> dead_end_;
  std::optional<std::chrono::steady_clock::time_point> stop_by_;
  std::mutex mutex_;  // of the two that follow, for the signals' thread
  std::unique_ptr<LocalCluster> cluster_;
  std::string id_;
  StopSignals signals_;  // last: its thread uses what stands above
};

}  // namespace

int TrainHere(const std::filesystem::path& home, const ClusterOptions& cluster, Output output, const NextCommand& next,
              const AskForEnsemble& ask, const LookAhead& look_ahead) {
  return Follower(home, output, next).Run(cluster, ask, look_ahead);
}

int PrintEnd(const Json& json, const EnsembleDocument& document, const std::filesystem::path& home, Output output) {
  if (output == Output::kJson) Print(json.dump(2) + "\n");
  if (output == Output::kText) Print(RenderEnd(document, home, OutputPage()));
  return document.exit_code.value_or(kExitFailed);
}

}  // namespace tutti::cli
