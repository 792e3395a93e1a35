#include "cli/console.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>

namespace tutti::cli {
namespace {

// 0, or the error number of the write that failed.
int WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

std::atomic<int> output_error = 0;

constexpr auto kInterjectDeadline = std::chrono::seconds(1);

bool IsDumb() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) == "dumb";
}

}  // namespace

void Print(std::string_view text) {
  if (output_error == 0) output_error = WriteAll(STDOUT_FILENO, text);
}

std::optional<Error> OutputError() {
  const int error = output_error;
  if (error == 0 || error == EPIPE) return std::nullopt;
  return Error{ErrorCode::kIo, fmt::format("cannot write standard output: {}", std::generic_category().message(error)),
               nullptr};
}

bool OutputIsUnread() {
  if (output_error != 0) return true;
  pollfd output{STDOUT_FILENO, 0, 0};
  return poll(&output, 1, 0) > 0 && (output.revents & POLLERR) != 0;
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

Page OutputPage() {
  const auto terminal = OutputTerminal();
  return terminal ? Page(OutputColour(), terminal->columns) : Page(OutputColour());
}

size_t ColumnsOf(std::string_view line) {
  size_t codes = 0;
  for (size_t begin = line.find('\x1b'); begin != std::string_view::npos; begin = line.find('\x1b', begin)) {
    const size_t end = std::min(line.find('m', begin), line.size() - 1);
    codes += end + 1 - begin;
    begin = end + 1;
  }
  return DisplayWidth(line) - codes;
}

size_t LiveBlock::RowsAt(size_t columns) const {
  size_t rows = 0;
  for (const size_t line : drawn_) rows += std::max<size_t>(1, (line + columns - 1) / columns);
  return rows;
}

void LiveBlock::Draw(const std::vector<std::string>& lines, size_t columns) {
  const std::lock_guard lock(mutex_);
  const size_t rows = RowsAt(columns);
  // One write a frame, so that it does not flicker: up to the first line, then each line with its old rest erased.
  std::string frame = rows > 0 ? fmt::format("\x1b[{}A\r", rows) : "";
  for (const std::string& line : lines) frame += line + "\x1b[K\n";
  frame += "\x1b[J";
  Print(frame);
  drawn_.clear();
  for (const std::string& line : lines) drawn_.push_back(ColumnsOf(line));
  columns_ = columns;
}

void LiveBlock::Clear() {
  const std::lock_guard lock(mutex_);
  Erase();
}

void LiveBlock::Interject(std::string_view text) {
  // By the wall clock: GCC 12's ThreadSanitizer does not see a lock that is taken by the steady one.
  const std::unique_lock lock(mutex_, std::chrono::system_clock::now() + kInterjectDeadline);
  if (!lock.owns_lock()) return;
  Erase();
  PrintToError(text);
}

void LiveBlock::Erase() {
  const auto terminal = OutputTerminal();
  const size_t rows = RowsAt(terminal ? terminal->columns : columns_);
  if (rows > 0) Print(fmt::format("\x1b[{}A\r\x1b[J", rows));
  drawn_.clear();
}

}  // namespace tutti::cli
