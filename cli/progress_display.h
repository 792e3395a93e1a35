// Shows a running ensemble as it goes: live on a terminal, as lines where output is piped, or not at all.
#pragma once

#include <chrono>

#include "cli/console.h"
#include "cli/render/progress.h"

namespace tutti::cli {

enum class Output { kText, kJson, kQuiet };

class ProgressDisplay {
 public:
  explicit ProgressDisplay(Output output);

  void Show(const EnsembleDocument& document);
  // As lines, on a terminal too.
  void ShowPlainly(const EnsembleDocument& document) { PrintChanges(document); }
  // A live view of a terminal of this size, made up to date.
  LiveView ViewOf(const EnsembleDocument& document, TerminalSize size);
  // Takes a live block away; what is printed next takes its place.
  void Close() { block_.Clear(); }
  // Says something in between, on standard error. Thread-safe.
  void Interject(std::string_view text) { block_.Interject(text); }

 private:
  void DrawLive(const EnsembleDocument& document, TerminalSize size);
  void PrintChanges(const EnsembleDocument& document);

  Output output_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  TimeLeft time_left_;
  ChangeTeller teller_;
  LiveBlock block_;
};

}  // namespace tutti::cli
