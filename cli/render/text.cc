#include "cli/render/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/utf8.h"

namespace tutti::cli {
namespace {

std::string_view CodeOf(Ink ink) {
  switch (ink) {
    case Ink::kPlain:
      return "";
    case Ink::kBold:
      return "\x1b[1m";
    case Ink::kDim:
      return "\x1b[2m";
    case Ink::kGreen:
      return "\x1b[32m";
    case Ink::kRed:
      return "\x1b[31m";
    case Ink::kYellow:
      return "\x1b[33m";
  }
  return "";
}

std::string Repeat(std::string_view text, size_t times) {
  std::string repeated;
  for (size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

std::string Pad(const std::string& cell, size_t width, Table::Align align) {
  const std::string blanks(width - DisplayWidth(cell), ' ');
  return align == Table::Align::kLeft ? cell + blanks : blanks + cell;
}

}  // namespace

std::string Paint(Colour colour, Ink ink, std::string_view text) {
  if (colour == Colour::kOff || ink == Ink::kPlain) return std::string(text);
  return fmt::format("{}{}\x1b[0m", CodeOf(ink), text);
}

std::string FormatDuration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {} h", whole / 86400, whole % 86400 / 3600);
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  constexpr std::array kUnits{"kB", "MB", "GB", "TB", "PB", "EB"};
  auto value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatCount(int64_t count) {
  std::string digits = std::to_string(count);
  const auto first = static_cast<std::string::difference_type>(count < 0 ? 1 : 0);
  for (auto position = static_cast<std::string::difference_type>(digits.size()) - 3; position > first; position -= 3) {
    digits.insert(digits.begin() + position, ',');
  }
  return digits;
}

std::string FormatMembers(int64_t count) { return fmt::format("{} member{}", count, count == 1 ? "" : "s"); }

std::string FormatPercent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string FormatLoss(double loss) {
  return std::abs(loss) < 1000 ? fmt::format("{:.4f}", loss) : fmt::format("{:.2g}", loss);
}

std::string FormatLoss(const std::optional<double>& loss) { return loss ? FormatLoss(*loss) : "-"; }
std::string FormatPercent(const std::optional<double>& share) { return share ? FormatPercent(*share) : "-"; }

size_t DisplayWidth(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuationByte(c); }));
}

std::string OneLine(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return line;
}

std::string Shorten(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  size_t end = 0;
  for (size_t columns = 0; end < text.size(); ++end) {
    if (IsContinuationByte(text[end])) continue;
    if (++columns == width) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string ProgressBar(double share, size_t width) {
  const double clamped = share > 0 ? std::min(share, 1.0) : 0.0;
  const auto full = static_cast<size_t>(std::floor(clamped * static_cast<double>(width)));
  return Repeat("█", full) + Repeat("░", width - full);
}

void Table::Add(std::vector<std::string> cells, Ink ink) {
  cells.resize(columns_.size());
  rows_.push_back({std::move(cells), ink});
}

std::vector<size_t> Table::Widths() const {
  std::vector<size_t> widths(columns_.size());
  for (const Row& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row.cells[i]));
  }
  return widths;
}

std::string Table::RenderPart(size_t begin, size_t end, const std::vector<size_t>& widths, Colour colour) const {
  const auto is_empty = [](const std::string& cell) { return cell.empty(); };
  std::string text;
  for (const Row& row : rows_) {
    const auto first = row.cells.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = row.cells.begin() + static_cast<std::ptrdiff_t>(end);
    if (begin > 1 && std::all_of(first, last, is_empty)) continue;
    std::string line = Pad(row.cells[0], widths[0], columns_[0]);
    for (size_t i = begin; i < end; ++i) line += "  " + Pad(row.cells[i], widths[i], columns_[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += Paint(colour, row.ink, line) + "\n";
  }
  return text;
}

std::string Table::Render(const Page& page) const {
  const std::vector<size_t> widths = Widths();
  std::string text;
  size_t begin = 1;
  do {
    size_t end = begin;
    for (size_t total = widths[0]; end < widths.size(); ++end) {
      total += widths[end] == 0 ? 0 : 2 + widths[end];
      if (end > begin && total > page.columns) break;
    }
    text += (begin > 1 ? "\n" : "") + RenderPart(begin, end, widths, page.colour);
    begin = end;
  } while (begin < widths.size());
  return text;
}

}  // namespace tutti::cli
