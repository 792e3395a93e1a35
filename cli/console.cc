#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace tutti::cli {
namespace {

// False when the reader is gone.
bool WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

bool IsDumb() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) == "dumb";
}

}  // namespace

void Print(std::string_view text) {
  static bool open = true;
  if (open) open = WriteAll(STDOUT_FILENO, text);
}

void PrintToError(std::string_view text) { WriteAll(STDERR_FILENO, text); }

void Complain(const Error& error) { PrintToError(fmt::format("tutti: {}\n", error.Text())); }

std::optional<TerminalSize> OutputTerminal() {
  if (isatty(STDOUT_FILENO) == 0 || IsDumb()) return std::nullopt;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return TerminalSize{};
  return TerminalSize{size.ws_col, size.ws_row};
}

Colour ColourFor(const std::optional<TerminalSize>& terminal, const char* no_color) {
  const bool refused = no_color != nullptr && *no_color != '\0';
  return terminal && !refused ? Colour::kOn : Colour::kOff;
}

Colour OutputColour() { return ColourFor(OutputTerminal(), std::getenv("NO_COLOR")); }

void LiveBlock::Draw(const std::vector<std::string>& lines) {
  // One write a frame, so that it does not flicker: up to the first line, then each line with its old rest erased.
  std::string frame = lines_ > 0 ? fmt::format("\x1b[{}A\r", lines_) : "";
  for (const std::string& line : lines) frame += line + "\x1b[K\n";
  frame += "\x1b[J";
  Print(frame);
  lines_ = lines.size();
}

void LiveBlock::Clear() {
  if (lines_ > 0) Print(fmt::format("\x1b[{}A\r\x1b[J", lines_));
  lines_ = 0;
}

}  // namespace tutti::cli
