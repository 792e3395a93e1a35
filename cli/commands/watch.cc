// tutti watch [ID]
#include <unistd.h>

#include "cli/changes.h"
#include "cli/command_line.h"
#include "cli/coordinator_option.h"
#include "cli/exit_codes.h"
#include "cli/full_screen.h"
#include "cli/progress_display.h"
#include "cli/reader.h"
#include "cli/render/listing.h"
#include "cli/render/watch_screen.h"
#include "cli/signals.h"
#include "cli/waiting.h"
#include "coordinator/core/core.h"

namespace tutti::cli {
namespace {

// Progress within an epoch is no event.
constexpr Duration kRefresh{500};
constexpr Duration kRestart = std::chrono::minutes(2);

struct Options {
  std::string id = "last";
  bool plain = false;
  CoordinatorOption coordinator;
};

// Shows how an ensemble gets on: on the whole screen of a terminal, or as lines.
class WatchDisplay {
 public:
  explicit WatchDisplay(bool plain) : plain_(plain) {}

  void Show(const EnsembleDocument& document, const std::deque<std::string>& news) {
    const auto terminal = OutputTerminal();
    if (plain_ || !terminal) return progress_.ShowPlainly(document);
    screen_.Draw(RenderWatchScreen(document, news, progress_.ViewOf(document, *terminal)));
  }

 private:
  const bool plain_;
  ProgressDisplay progress_{Output::kText};
  FullScreen screen_;
};

// Asks for the ensemble, as long as nothing ends that.
class Watcher {
 public:
  Watcher(const network::Peer& peer, const Options& options, const StopSignals& signals)
      : reader_(peer), peer_(peer), options_(options), signals_(signals) {}

  // The document with which watching ended: the ensemble has, or nobody serves the home. kUnreachable: whoever did does
  // so no more; kCancelled when a signal or the end of the output ended it before.
  Result<EnsembleDocument> UntilEnd() {
    if (std::holds_alternative<std::filesystem::path>(peer_) && !reader_.IsServed()) return Look();
    WatchDisplay display(options_.plain);
    Changes changes(peer_, options_.id);
    while (true) {
      // A coordinator may be started again.
      TUTTI_ASSIGN_OR_RETURN(EnsembleDocument document, AskWithin(kRestart, [&] { return LookWhileServed(); }));
      if (document.ended()) return document;
      display.Show(document, changes.news());
      changes.Await(kRefresh);
    }
  }

 private:
  Result<EnsembleDocument> Look() const {
    TUTTI_ASSIGN_OR_RETURN(const Json json, reader_.Ensemble(options_.id));
    return ReadEnsemble(json);
  }

  // Of a home here the files tell how it ended, and that it has not when its coordinator is gone.
  Result<EnsembleDocument> LookWhileServed() const {
    if (signals_.first() != 0 || OutputIsUnread()) return Fail(ErrorCode::kCancelled, "nobody watches any more");
    TUTTI_ASSIGN_OR_RETURN(EnsembleDocument document, Look());
    if (document.note != core::kProcessGone || reader_.IsServed()) return document;
    return Fail(ErrorCode::kUnreachable, "{} is gone", network::NameOf(peer_));
  }

  const Reader reader_;
  const network::Peer& peer_;
  const Options& options_;
  const StopSignals& signals_;
};

int Watch(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const StopSignals signals([](int signal, int count) {
    if (count < 2) return;
    FullScreen::GiveBack();
    _exit(ExitCodeOfSignal(signal));
  });
  const auto document = Watcher(*peer, options, signals).UntilEnd();
  if (signals.first() != 0) return ExitCodeOfSignal(signals.first());
  if (!document && document.error().code == ErrorCode::kCancelled) return kExitDone;  // who read it has seen enough
  if (!document) return EndWith(document.error());
  Print(RenderShow(*document, HomeHere(*peer), NextAfter(options.coordinator), OutputPage()));
  return document->ended() ? kExitDone : kExitUnreachable;
}

}  // namespace

void AddWatch(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("watch", "Watch an ensemble that another terminal trains");
  AsEnsembleId(command->add_option("id", options->id, "The ensemble, the newest by default"));
  command->add_flag("--plain", options->plain, "Lines, as where output is piped, in place of the whole screen");
  options->coordinator.AddTo(*command);
  command->callback([options, &chosen] { chosen = [options] { return Watch(*options); }; });
}

}  // namespace tutti::cli
