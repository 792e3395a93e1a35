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

// The document with which watching ended: the ensemble has, or nobody serves the home any more. kCancelled when a
// signal ended it before.
Result<EnsembleDocument> WatchUntilEnd(const Reader& reader, const network::Peer& peer, const Options& options,
                                       const StopSignals& signals) {
  WatchDisplay display(options.plain);
  Changes changes(peer, options.id);
  const bool elsewhere = std::holds_alternative<network::Remote>(peer);
  while (signals.first() == 0) {
    const bool served = elsewhere || reader.IsServed();
    // A coordinator elsewhere may be started again; of a home here its files tell.
    TUTTI_ASSIGN_OR_RETURN(const Json json,
                           AskWithin(elsewhere ? kRestart : Duration(0), [&] { return reader.Ensemble(options.id); }));
    TUTTI_ASSIGN_OR_RETURN(EnsembleDocument document, ReadEnsemble(json));
    if (document.ended() || !served) return document;
    display.Show(document, changes.news());
    changes.Await(kRefresh);
  }
  return Fail(ErrorCode::kCancelled, "interrupted");
}

int Watch(const Options& options) {
  const auto peer = options.coordinator.Find();
  if (!peer) return EndWith(peer.error());
  const StopSignals signals([](int signal, int count) {
    if (count < 2) return;
    FullScreen::GiveBack();
    _exit(ExitCodeOfSignal(signal));
  });
  const auto document = WatchUntilEnd(Reader(*peer), *peer, options, signals);
  if (signals.first() != 0) return ExitCodeOfSignal(signals.first());
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
