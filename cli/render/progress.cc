#include "cli/render/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace tutti::cli {
namespace {

constexpr size_t kBarWidth = 20;
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

std::string Loss(const MemberDocument& member) {
  if (member.validation_loss) return "validation loss " + FormatLoss(*member.validation_loss);
  if (member.train_loss) return "train loss " + FormatLoss(*member.train_loss);
  return "";
}

std::string Accuracy(const MemberDocument& member) {
  return member.validation_accuracy ? FormatPercent(*member.validation_accuracy) : "";
}

std::string Epochs(const MemberDocument& member) {
  if (member.epochs <= 0) return "";
  return fmt::format("epoch {:.3g}/{:.3g}", member.epoch, member.epochs);
}

// Why a member is not further, in a few words.
std::string Remark(const MemberDocument& member) {
  if (member.state == "failed" && !member.last_error.empty()) return member.last_error;
  if (member.state == "finished" && member.train_seconds > 0) return FormatDuration(member.train_seconds);
  return member.state == "running" ? Speed(member) : member.reason;
}

std::string Headline(const EnsembleDocument& document, const LiveView& view) {
  const double progress = OverallProgress(document);
  std::string text = fmt::format("{}  {} of {} members  {} {:.0f} %  {}", document.id, document.members_finished,
                                 document.members_total, ProgressBar(progress, kBarWidth), 100 * progress,
                                 FormatDuration(view.elapsed_seconds));
  if (view.seconds_left) text += fmt::format(", about {} left", FormatDuration(*view.seconds_left));
  return Paint(view.colour, Ink::kBold, Shorten(text, view.width));
}

std::string LiveLine(const MemberDocument& member, size_t name_width, const LiveView& view) {
  const std::string name = member.name + std::string(name_width - DisplayWidth(member.name), ' ');
  std::string line = fmt::format("  {}  {:8}", name, member.state);
  if (member.state == "running") line += " " + ProgressBar(member.Progress(), kBarWidth / 2);
  for (const std::string& part : {Epochs(member), Loss(member), Accuracy(member), Remark(member)}) {
    if (!part.empty()) line += "  " + part;
  }
  return Paint(view.colour, InkOf(member.state), Shorten(line, view.width));
}

// Running ones first, then the failed, the finished from the last on, the others; within each as written.
int Rank(const MemberDocument& member) {
  if (member.state == "running") return 0;
  if (EndedUnfinished(member)) return 1;
  return member.state == "finished" ? 2 : 3;
}

std::vector<const MemberDocument*> ByInterest(const EnsembleDocument& document) {
  std::vector<const MemberDocument*> members;
  for (const MemberDocument& member : document.members) members.push_back(&member);
  std::stable_sort(members.begin(), members.end(), [](auto* a, auto* b) { return Rank(*a) < Rank(*b); });
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
  if (member.epochs > 0) line += fmt::format(" of {:.3g}", member.epochs);
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
    return line;
  }
  if (member.state == "finished") {
    if (member.train_seconds > 0) line += fmt::format(" after {}", FormatDuration(member.train_seconds));
    return line;
  }
  const std::string& why = member.last_error.empty() ? member.reason : member.last_error;
  return why.empty() ? line : line + ": " + why;
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
  const std::vector<const MemberDocument*> members = ByInterest(document);
  // The last line of a terminal stays free for the cursor, the one before it for the count of the others.
  const size_t room = view.height > 4 ? view.height - 3 : 1;
  const size_t shown = members.size() <= room ? members.size() : room - 1;
  size_t name_width = 0;
  for (size_t i = 0; i < shown; ++i) name_width = std::max(name_width, DisplayWidth(members[i]->name));

  std::vector<std::string> lines{Headline(document, view)};
  for (size_t i = 0; i < shown; ++i) lines.push_back(LiveLine(*members[i], name_width, view));
  if (shown < members.size()) lines.push_back(Shorten(OthersLine(members, shown), view.width));
  return lines;
}

std::string RenderMembers(const EnsembleDocument& document, Colour colour) {
  using enum Table::Align;
  Table table({kLeft, kLeft, kRight, kRight, kRight, kRight, kLeft});
  table.Add({"member", "state", "epoch", "val. loss", "accuracy", "trained", "remark"}, Ink::kBold);
  for (const MemberDocument& member : document.members) {
    table.Add({member.name, member.state, fmt::format("{:.3g}/{:.3g}", member.epoch, member.epochs),
               FormatLoss(member.validation_loss), FormatPercent(member.validation_accuracy),
               member.train_seconds > 0 ? FormatDuration(member.train_seconds) : "",
               member.state == "finished" ? "" : Remark(member)},
              InkOf(member.state));
  }
  return table.Render(colour);
}

std::vector<std::string> ChangeTeller::Tell(const EnsembleDocument& document) {
  std::vector<std::string> lines;
  std::map<std::string, Told> now;
  for (const MemberDocument& member : document.members) {
    if (told_) TellMember(member, (*told_)[member.name], lines);
    now[member.name] = ToldOf(member);
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
  if (changed && member.state != "running") lines.push_back(StateLine(member));
}

}  // namespace tutti::cli
