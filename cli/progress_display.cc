#include "cli/progress_display.h"

namespace tutti::cli {

ProgressDisplay::ProgressDisplay(Output output) : output_(output) {}

void ProgressDisplay::Show(const EnsembleDocument& document) {
  if (output_ != Output::kText) return;
  if (const auto terminal = OutputTerminal())
    DrawLive(document, *terminal);
  else
    PrintChanges(document);
}

LiveView ProgressDisplay::ViewOf(const EnsembleDocument& document, TerminalSize size) {
  LiveView view;
  view.width = size.columns - 1;  // a terminal wraps when its last column is written to, or erases it
  view.height = size.rows;
  view.elapsed_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  view.seconds_left = time_left_.Seconds(OverallProgress(document), view.elapsed_seconds);
  view.colour = OutputColour();
  return view;
}

void ProgressDisplay::DrawLive(const EnsembleDocument& document, TerminalSize size) {
  block_.Draw(RenderLive(document, ViewOf(document, size)), size.columns);
}

void ProgressDisplay::PrintChanges(const EnsembleDocument& document) {
  for (const std::string& line : teller_.Tell(document)) Print(line + "\n");
}

}  // namespace tutti::cli
