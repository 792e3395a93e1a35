// Numbers, colours and tables as people read them. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::cli {

enum class Colour { kOff, kOn };
enum class Ink { kPlain, kBold, kDim, kGreen, kRed, kYellow };

// What is printed on: a terminal's width, or no end of it where output is piped.
struct Page {
  Page(Colour ink = Colour::kOff) : colour(ink) {}  // NOLINT: colour alone says that there is no end of it
  Page(Colour ink, size_t width) : colour(ink), columns(width) {}

  Colour colour;
  size_t columns = std::numeric_limits<size_t>::max();
};

// The text between the terminal's codes for an ink, or alone when colour is off.
std::string Paint(Colour colour, Ink ink, std::string_view text);

std::string FormatDuration(double seconds);  // "0.4 s", "55 s", "9 min 12 s", "2 h 05 min", "3 d 4 h"
std::string FormatBytes(uint64_t bytes);     // "512 B", "1.5 MB": decimal units
std::string FormatCount(int64_t count);      // "10,000"
std::string FormatMembers(int64_t count);    // "1 member", "10 members"
std::string FormatPercent(double share);     // "91.02 %"
std::string FormatLoss(double loss);         // "0.2591"; "1.2e+06" where four decimals say nothing
// The same of something that may not be known: "-".
std::string FormatLoss(const std::optional<double>& loss);
std::string FormatPercent(const std::optional<double>& share);

// Columns that a terminal takes: characters of UTF-8 text, each counted as one.
size_t DisplayWidth(std::string_view text);
// Control characters, which errors of other programs may hold, become blanks.
std::string OneLine(std::string_view text);
// At most `width` columns; a longer text ends in "…".
std::string Shorten(std::string_view text, size_t width);

// "█████░░░░░" of `width` columns; `share` is clamped to [0, 1].
std::string ProgressBar(double share, size_t width);

// Rows of cells in columns as wide as their widest cell, two blanks between them. Columns that the page has no room for
// stand below, beside the first column again.
class Table {
 public:
  enum class Align { kLeft, kRight };

  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}
  // Missing cells are empty.
  void Add(std::vector<std::string> cells, Ink ink = Ink::kPlain);
  // One line a row, without blanks at the end; each ends in a newline. Below, rows that have nothing there are left
  // out.
  std::string Render(const Page& page) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Ink ink;
  };
  std::vector<size_t> Widths() const;
  // The first column and those from `begin` up to `end`.
  std::string RenderPart(size_t begin, size_t end, const std::vector<size_t>& widths, Colour colour) const;

  std::vector<Align> columns_;
  std::vector<Row> rows_;
};

}  // namespace tutti::cli
