#include "cli/full_screen.h"

#include <utility>

#include "cli/console.h"

namespace tutti::cli {

void FullScreen::Draw(const std::vector<std::string>& lines) {
  // The alternate screen, without a cursor; each frame in one write, so that it does not flicker.
  std::string frame = std::exchange(taken_, true) ? "" : "\x1b[?1049h\x1b[?25l";
  frame += "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i) frame += (i == 0 ? "" : "\n") + lines[i] + "\x1b[K";
  Print(frame + "\x1b[J");
}

void FullScreen::Leave() {
  if (std::exchange(taken_, false)) GiveBack();
}

void FullScreen::GiveBack() {
  if (OutputTerminal()) Print("\x1b[?25h\x1b[?1049l");
}

}  // namespace tutti::cli
