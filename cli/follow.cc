#include "cli/follow.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "cli/client.h"
#include "cli/exit_codes.h"
#include "cli/reader.h"
#include "cli/render/results.h"
#include "cli/signals.h"

namespace tutti::cli {
namespace {

constexpr Duration kPoll{250};
// A worker gives its trainers a minute to checkpoint, then kills them.
constexpr Duration kStopDeadline = std::chrono::seconds(75);
constexpr const char* kStopping =
    "tutti: stopping; members write their checkpoints.\nA second signal ends them at once.\n";
constexpr const char* kStartingStops = "tutti: stopping before training begins. A second signal ends this at once.\n";
constexpr const char* kNothingBegan = "tutti: stopped before training began; the same command begins it.\n";
// For a coordinator that has no trainers any more.
constexpr Duration kEndDeadline = std::chrono::seconds(10);

std::string HowToGoOn(const std::string& id) {
  return id.empty() ? kNothingBegan : fmt::format("Go on with: tutti resume {}\n", id);
}

class Follower {
 public:
  Follower(const std::filesystem::path& home, Output output)
      : home_(home), output_(output), client_(home), display_(output), signals_([this](int signal, int count) {
          OnSignal(signal, count);
        }) {}

  int Run(const worker::Inventory& inventory, const AskForEnsemble& ask) {
    const auto begun = Begin(inventory, ask);
    if (begun) Watch();
    const bool ended_in_time = !cluster_ || TakeDown();
    display_.Close();
    if (!begun) return NotBegun(begun.error());
    if (const auto failure = cluster_->failure()) return Failed(*failure);
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
    display_.Interject(HowToGoOn(id));
    _exit(ExitCodeOfSignal(signal));
  }

  // A signal that came before the cluster was there is seen here, a later one by OnSignal.
  Result<void> Begin(const worker::Inventory& inventory, const AskForEnsemble& ask) {
    TUTTI_ASSIGN_OR_RETURN(auto cluster, LocalCluster::Start(home_, inventory));
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

  void Watch() {
    while (!cluster_->WaitStopped(Duration(0))) {
      if (Refresh() && document_.ended()) return;
      if (cluster_->failure()) return;
      signals_.Wait(kPoll);
      if (signals_.first() != 0 && TimeToStop() == Duration(0)) return;
    }
  }

  // What is left of the time to stop, which begins with the first call.
  Duration TimeToStop() {
    const auto now = std::chrono::steady_clock::now();
    if (!stop_by_) stop_by_ = now + kStopDeadline;
    return std::max(Duration(0), std::chrono::duration_cast<Duration>(*stop_by_ - now));
  }

  // False when the coordinator did not answer this time: it may be busy, or ending.
  bool Refresh() {
    auto json = client_.Ensemble(id_);
    if (!json) return false;
    auto document = ReadEnsemble(*json);
    if (!document) return false;
    json_ = std::move(*json);
    document_ = std::move(*document);
    display_.Show(document_);
    return true;
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
    const Error why = cluster_ ? cluster_->failure().value_or(error) : error;
    Complain(why);
    return why.code == ErrorCode::kInternal ? kExitInternal : kExitFailed;
  }

  int Failed(const Error& failure) {
    Complain(failure);
    if (failure.code == ErrorCode::kNoSpace) {
      PrintToError(
          fmt::format("There is no space left for {0}; {0}/cache is safe to delete, `tutti du` and `tutti rm` help to "
                      "make more.\n",
                      home_.string()));
    }
    PrintToError(HowToGoOn(id_));
    return kExitFailed;
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

  const std::filesystem::path& home_;
  Output output_;
  Client client_;
  ProgressDisplay display_;
  Json json_;
  EnsembleDocument document_;
  std::optional<std::chrono::steady_clock::time_point> stop_by_;
  std::mutex mutex_;  // of the two that follow, for the signals' thread
  std::unique_ptr<LocalCluster> cluster_;
  std::string id_;
  StopSignals signals_;  // last: its thread uses what stands above
};

}  // namespace

int TrainHere(const std::filesystem::path& home, const worker::Inventory& inventory, Output output,
              const AskForEnsemble& ask) {
  return Follower(home, output).Run(inventory, ask);
}

int PrintEnd(const Json& json, const EnsembleDocument& document, const std::filesystem::path& home, Output output) {
  if (output == Output::kJson) Print(json.dump(2) + "\n");
  if (output == Output::kText) Print(RenderEnd(document, home, OutputColour()));
  return document.exit_code.value_or(kExitFailed);
}

}  // namespace tutti::cli
