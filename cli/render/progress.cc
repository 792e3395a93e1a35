#include "cli/render/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tutti::cli {
namespace {

constexpr size_t kBarWidth = 20;
constexpr size_t kHeightForHeadings = 8;
constexpr double kLeastProgress = 0.005;  // below it an extrapolation says nothing

bool EndedUnfinished(const MemberDocument& member) { return member.state == "failed" || member.state == "cancelled"; }

Ink InkOf(const std::string& state) {
  if (state == "finished") return Ink::kGreen;
  if (state == "failed") return Ink::kRed;
  if (state == "running") return Ink::kBold;
  return Ink::kDim;
}

std::string Speed(const MemberDocument& member) {
  if (!member.images_per_second || member.state != "running") return "";
  return FormatCount(static_cast<int64_t>(*member.images_per_second)) + " images/s";
}

std::string Epochs(const MemberDocument& member) { return fmt::format("{:.3g}/{:.3g}", member.epoch, member.epochs); }

// Why a member is not further, in a few words.
std::string Remark(const MemberDocument& member) {
  if (member.state != "running") return OneLine(member.Why());
  const std::string speed = Speed(member), reason = OneLine(member.reason);
  return speed.empty() || reason.empty() ? speed + reason : fmt::format("{}; {}", speed, reason);
}

// What fits of the headline, from all that there is to say to the least.
std::string Headline(const EnsembleDocument& document, const LiveView& view) {
  const double progress = OverallProgress(document);
  const std::string members = fmt::format("{} of {} members", document.members_finished, document.members_total);
  const std::string share = fmt::format("{:.0f} %", 100 * progress);
  const std::string elapsed = FormatDuration(view.elapsed_seconds);
  const std::string left = view.seconds_left ? fmt::format("about {} left", FormatDuration(*view.seconds_left)) : "";
  const std::string time = left.empty() ? elapsed : fmt::format("{}, {}", elapsed, left);
  std::string text;
  for (const size_t bar : {kBarWidth, kBarWidth / 2}) {
    text = fmt::format("{}  {}  {} {}  {}", document.id, members, ProgressBar(progress, bar), share, time);
    if (DisplayWidth(text) <= view.width) return text;
  }
  text = fmt::format("{}  {}  {}  {}", document.id, members, share, time);
  if (DisplayWidth(text) <= view.width) return text;
  text = fmt::format("{}  {}  {}", document.id, share, left.empty() ? elapsed : left);
  return Shorten(text, view.width);
}

// ---- the members, one a line ----

enum Column : size_t { kName, kState, kProgress, kEpoch, kLoss, kAccuracy, kSpeed, kColumns };
using Cells = std::array<std::string, kColumns>;

constexpr std::array<std::string_view, kColumns> kHeadings{"member",    "state",    "progress", "epoch",
                                                           "val. loss", "accuracy", "images/s"};
// What a narrow terminal goes without, the first first.
constexpr std::array kDispensable{kSpeed, kLoss, kEpoch, kProgress, kAccuracy};
constexpr std::string_view kGap = "  ";
// So that columns do not jump whenever a member gets on: as wide as they may become.
constexpr size_t kStateWidth = 8;

std::string EpochsSoFar(double epoch, const MemberDocument& member) {
  return member.epochs > 0 ? fmt::format("{:.1f}/{:.3g}", epoch, member.epochs) : "";
}

Cells CellsOf(const MemberDocument& member) {
  Cells cells;
  cells[kName] = member.name;
  cells[kState] = member.state;
  if (member.state != "running" && member.state != "finished") return cells;  // its reason stands there instead
  if (member.state == "running") cells[kProgress] = ProgressBar(member.Progress(), kBarWidth / 2);
  cells[kEpoch] = EpochsSoFar(member.epoch, member);
  if (member.validation_loss) cells[kLoss] = FormatLoss(*member.validation_loss);
  if (member.validation_accuracy) cells[kAccuracy] = FormatPercent(*member.validation_accuracy);
  if (member.images_per_second && member.state == "running") {
    cells[kSpeed] = FormatCount(static_cast<int64_t>(*member.images_per_second));
  }
  return cells;
}

class MemberLines {
 public:
  MemberLines(const std::vector<const MemberDocument*>& members, size_t width) : width_(width) {
    for (size_t column = 0; column < kColumns; ++column) widths_[column] = kHeadings[column].size();
    widths_[kState] = kStateWidth;
    widths_[kProgress] = kBarWidth / 2;
    for (const MemberDocument* member : members) {
      Cells cells = CellsOf(*member);
      cells[kEpoch] = EpochsSoFar(member->epochs, *member);
      for (size_t column = 0; column < kColumns; ++column) {
        widths_[column] = std::max(widths_[column], DisplayWidth(cells[column]));
      }
    }
    for (const Column column : kDispensable) {
      if (Total() <= width_) break;
      widths_[column] = 0;
    }
  }

  std::string Heading() const {
    Cells cells;
    for (size_t column = 0; column < kColumns; ++column) cells[column] = kHeadings[column];
    return Line(cells, "");
  }
  std::string Of(const MemberDocument& member) const {
    const bool measured = member.state == "running" || member.state == "finished";
    return Line(CellsOf(member), measured ? "" : Remark(member));
  }

 private:
  size_t Total() const {
    size_t total = 0;
    for (const size_t width : widths_) total += width == 0 ? 0 : kGap.size() + width;
    return total;
  }

  std::string Line(const Cells& cells, const std::string& remark) const {
    std::string line;
    for (size_t column = 0; column < kColumns; ++column) {
      if (widths_[column] == 0) continue;
      const std::string blanks(widths_[column] - DisplayWidth(cells[column]), ' ');
      const bool number = column >= kEpoch;
      line += fmt::format("{}{}{}{}", kGap, number ? blanks : "", cells[column], number ? "" : blanks);
      if (column == kState && !remark.empty()) {
        line += fmt::format("{}{}", kGap, remark);
        break;
      }
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return Shorten(line, width_);
  }

  size_t width_;
  std::array<size_t, kColumns> widths_{};  // 0: left out
};

// Where not all can be shown: running ones first, then the failed, the finished, the others; within each as written.
int Rank(const MemberDocument& member) {
  if (member.state == "running") return 0;
  if (EndedUnfinished(member)) return 1;
  return member.state == "finished" ? 2 : 3;
}

std::vector<const MemberDocument*> AsWritten(const EnsembleDocument& document) {
  std::vector<const MemberDocument*> members;
  for (const MemberDocument& member : document.members) members.push_back(&member);
  return members;
}

std::string OthersLine(const std::vector<const MemberDocument*>& members, size_t first) {
  std::map<std::string, int> by_state;
  for (size_t i = first; i < members.size(); ++i) ++by_state[members[i]->state];
  std::string text = "  and";
  for (const auto& [state, count] : by_state) text += fmt::format(" {} {},", count, state);
  text.pop_back();
  return text;
}

std::string EpochLine(const MemberDocument& member, const EpochPoint& point) {
  std::string line = fmt::format("{}: epoch {}", member.name, point.epoch);
  if (member.epochs > 0) line += fmt::format(" of {:.0f}", std::ceil(member.epochs));
  if (point.train_loss) line += fmt::format(", train loss {}", FormatLoss(*point.train_loss));
  if (point.validation_loss) line += fmt::format(", validation loss {}", FormatLoss(*point.validation_loss));
  if (point.validation_accuracy) line += fmt::format(", accuracy {}", FormatPercent(*point.validation_accuracy));
  const std::string speed = Speed(member);
  return speed.empty() ? line : line + ", " + speed;
}

std::string StateLine(const MemberDocument& member) {
  std::string line = fmt::format("{}: {}", member.name, member.state);
  if (member.state == "running") {
    if (member.attempts > 1) line += fmt::format(", attempt {}", member.attempts);
    if (!member.gang.empty()) line += fmt::format(" on {}", fmt::join(member.gang, ", "));
    return member.reason.empty() ? line : fmt::format("{}: {}", line, member.reason);
  }
  if (member.state == "finished") {
    if (member.train_seconds > 0) line += fmt::format(" after {}", FormatDuration(member.train_seconds));
    return line;
  }
  return member.Why().empty() ? line : fmt::format("{}: {}", line, member.Why());
}

}  // namespace

double OverallProgress(const EnsembleDocument& document) {
  if (document.members.empty()) return 0;
  double sum = 0;
  for (const MemberDocument& member : document.members) sum += EndedUnfinished(member) ? 1 : member.Progress();
  return sum / static_cast<double>(document.members.size());
}

std::optional<double> TimeLeft::Seconds(double progress, double elapsed_seconds) {
  if (!first_) first_ = Observation{progress, elapsed_seconds};
  const double made = progress - first_->progress;
  if (made < kLeastProgress) return std::nullopt;
  return (1 - progress) * (elapsed_seconds - first_->elapsed_seconds) / made;
}

std::vector<std::string> RenderLive(const EnsembleDocument& document, const LiveView& view) {
  std::vector<const MemberDocument*> members = AsWritten(document);
  const size_t fixed = view.height >= kHeightForHeadings ? 3 : 2;
  const size_t room = view.height > fixed + 1 ? view.height - fixed : 1;
  const bool all = members.size() <= room;
  if (!all) std::stable_sort(members.begin(), members.end(), [](auto* a, auto* b) { return Rank(*a) < Rank(*b); });
  const size_t shown = all ? members.size() : room - 1;

  const MemberLines columns({members.begin(), members.begin() + static_cast<std::ptrdiff_t>(shown)}, view.width);
  std::vector<std::string> lines{Paint(view.colour, Ink::kBold, Headline(document, view))};
  if (fixed == 3) lines.push_back(Paint(view.colour, Ink::kDim, columns.Heading()));
  for (size_t i = 0; i < shown; ++i) {
    lines.push_back(Paint(view.colour, InkOf(members[i]->state), columns.Of(*members[i])));
  }
  if (!all) lines.push_back(Shorten(OthersLine(members, shown), view.width));
  // The last row stays free for the cursor: what scrolls off the top cannot be drawn over any more.
  lines.resize(std::min(lines.size(), std::max<size_t>(view.height, 1) - 1));
  return lines;
}

std::string RenderMembers(const EnsembleDocument& document, const Page& page) {
  using enum Table::Align;
  Table table({kLeft, kLeft, kRight, kRight, kRight, kRight, kLeft});
  table.Add({"member", "state", "epoch", "val. loss", "accuracy", "trained", "remark"}, Ink::kBold);
  for (const MemberDocument& member : document.members) {
    table.Add({member.name, member.state, Epochs(member), FormatLoss(member.validation_loss),
               FormatPercent(member.validation_accuracy),
               member.train_seconds > 0 ? FormatDuration(member.train_seconds) : "",
               member.state == "finished" ? "" : Remark(member)},
              InkOf(member.state));
  }
  return table.Render(page);
}

std::vector<std::string> ChangeTeller::Tell(const EnsembleDocument& document) {
  std::vector<std::string> lines;
  std::map<std::string, Told> now;
  std::vector<const MemberDocument*> failed;
  for (const MemberDocument& member : document.members) {
    now[member.name] = ToldOf(member);
    if (!told_) continue;
    const Told& told = (*told_)[member.name];
    TellMember(member, told, lines);
    if (member.state == "failed" && told.state != "failed") failed.push_back(&member);
  }
  for (const FailedAlike& alike : GroupFailures(failed)) {
    lines.push_back(fmt::format("{}: failed: {}", alike.Names(), alike.first->Why()));
  }
  told_ = std::move(now);
  return lines;
}

ChangeTeller::Told ChangeTeller::ToldOf(const MemberDocument& member) {
  return {member.state, member.attempts, member.curve.empty() ? 0 : member.curve.back().epoch};
}

void ChangeTeller::TellMember(const MemberDocument& member, const Told& told, std::vector<std::string>& lines) {
  const bool changed = member.state != told.state || (member.state == "running" && member.attempts != told.attempts);
  // A member that starts says so before its epochs, one that ends after them.
  if (changed && member.state == "running") lines.push_back(StateLine(member));
  for (const EpochPoint& point : member.curve) {
    if (point.epoch > told.epoch) lines.push_back(EpochLine(member, point));
  }
  // Those that failed are told together.
  if (changed && member.state != "running" && member.state != "failed") lines.push_back(StateLine(member));
}

}  // namespace tutti::cli
