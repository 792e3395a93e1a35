#include "cli/follow.h"

#include <unistd.h>

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
// For a coordinator that has no trainers any more.
constexpr Duration kEndDeadline = std::chrono::seconds(10);

std::string HowToGoOn(const std::string& id) { return fmt::format("Go on with: tutti resume {}\n", id); }

class Follower {
 public:
  Follower(LocalCluster& cluster, const std::filesystem::path& home, const std::string& id, Output output)
      : cluster_(cluster),
        home_(home),
        id_(id),
        output_(output),
        client_(home),
        display_(output),
        signals_([this](int signal, int count) { OnSignal(signal, count); }) {}

  int Run() {
    Watch();
    const bool ended_in_time = TakeDown();
    display_.Close();
    if (const auto failure = cluster_.failure()) return Failed(*failure);
    if (!ended_in_time) return TooLate();
    return Conclude();
  }

 private:
  // On the signals' thread, so that it works whatever the main thread waits for.
  void OnSignal(int signal, int count) {
    if (count == 1) {
      PrintToError("tutti: stopping; members write their checkpoints. A second signal ends them at once.\n");
      cluster_.RequestStop();
      return;
    }
    cluster_.KillAll();
    PrintToError(HowToGoOn(id_));
    _exit(ExitCodeOfSignal(signal));
  }

  void Watch() {
    std::optional<std::chrono::steady_clock::time_point> stop_asked;
    while (!cluster_.WaitStopped(Duration(0))) {
      if (Refresh() && document_.ended()) return;
      signals_.Wait(kPoll);
      if (signals_.first() != 0 && !stop_asked) stop_asked = std::chrono::steady_clock::now();
      if (stop_asked && std::chrono::steady_clock::now() - *stop_asked > kStopDeadline) return;
    }
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
    cluster_.RequestStop();
    // Others of the home's ensembles may have to checkpoint still, unless they were asked to before.
    if (cluster_.WaitStopped(signals_.first() == 0 ? kStopDeadline : kEndDeadline)) return true;
    cluster_.KillAll();
    return cluster_.WaitStopped(kEndDeadline);
  }

  int Failed(const Error& failure) {
    Complain(failure);
    if (failure.code == ErrorCode::kNoSpace) {
      PrintToError(
          fmt::format("There is no space left for {}; `tutti du` and `tutti rm` help to make some.\n", home_.string()));
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
    if (output_ == Output::kJson) Print(json->dump(2) + "\n");
    if (document->state == "stopped" || !document->ended()) return Stopped(*document);
    if (output_ == Output::kText) Print(RenderEnd(*document, home_, OutputColour()));
    return document->exit_code.value_or(kExitFailed);
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

  LocalCluster& cluster_;
  const std::filesystem::path& home_;
  const std::string& id_;
  Output output_;
  Client client_;
  ProgressDisplay display_;
  Json json_;
  EnsembleDocument document_;
  StopSignals signals_;  // last: its thread uses what stands above
};

}  // namespace

int FollowHere(LocalCluster& cluster, const std::filesystem::path& home, const std::string& id, Output output) {
  return Follower(cluster, home, id, output).Run();
}

}  // namespace tutti::cli
