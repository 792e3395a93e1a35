// The terminal, or the pipe or file that stands in for it.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/render/text.h"
#include "common/result.h"

namespace tutti::cli {

// Writes to standard output at once. Once that fails, this and everything after it is dropped.
void Print(std::string_view text);
// What kept Print() from writing: nothing where the reader went away, who has seen all that he wanted.
std::optional<Error> OutputError();
// Whether whoever read standard output has gone, which is seen also while nothing is written.
bool OutputIsUnread();
// To standard error; the other adds the newline and names the program.
void PrintToError(std::string_view text);
void Complain(const Error& error);

struct TerminalSize {
  size_t columns = 80;
  size_t rows = 24;
};
// Of standard output; nothing when that is no terminal or one that knows no cursor (TERM=dumb).
std::optional<TerminalSize> OutputTerminal();

// On when the output is a terminal and neither NO_COLOR (https://no-color.org) nor TERM=dumb speaks against it.
Colour ColourFor(const std::optional<TerminalSize>& terminal, const char* no_color);
Colour OutputColour();
// What standard output is printed on.
Page OutputPage();

// Columns that a line takes on a terminal; codes for colours take none.
size_t ColumnsOf(std::string_view line);

// A block of lines at the end of the output that is drawn over again. Thread-safe.
class LiveBlock {
 public:
  LiveBlock() = default;
  LiveBlock(const LiveBlock&) = delete;
  LiveBlock& operator=(const LiveBlock&) = delete;
  ~LiveBlock() { Clear(); }

  // `columns`: of the terminal now. One that became narrower has wrapped what was drawn before.
  void Draw(const std::vector<std::string>& lines, size_t columns);
  // Leaves the cursor where the block began.
  void Clear();
  // Prints to standard error where the block is, which comes back under it with the next Draw(). Gives up after a
  // second: a terminal that was halted (Ctrl-S) must not hold up whoever ends the program.
  void Interject(std::string_view text);

 private:
  size_t RowsAt(size_t columns) const;
  void Erase();

  std::timed_mutex mutex_;
  std::vector<size_t> drawn_;  // columns of each line
  size_t columns_ = 1;
};

}  // namespace tutti::cli
