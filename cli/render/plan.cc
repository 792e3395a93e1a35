#include "cli/render/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tutti::cli {
namespace {

std::string In(const std::optional<Duration>& duration) {
  return duration ? "in " + FormatDuration(std::chrono::duration<double>(*duration).count()) : "not known";
}

std::string BeginOf(const core::ForecastMember& member, bool whole) {
  if (member.gang.empty()) return whole ? "never" : "not known";
  return member.at_once ? "at once" : member.begins ? In(member.begins) : "later";
}

std::string GangOf(const core::ForecastMember& member) {
  std::vector<std::string> slots;
  for (const SlotId& slot : member.gang) slots.push_back(slot.str());
  return fmt::format("{}", fmt::join(slots, " "));
}

std::string Summary(const core::Forecast& forecast, const std::string& where) {
  const auto at_once = std::ranges::count_if(forecast.members, &core::ForecastMember::at_once);
  const auto never =
      std::ranges::count_if(forecast.members, [](const core::ForecastMember& member) { return member.gang.empty(); });
  std::string text = fmt::format("{} for {}: {} at once", FormatMembers(std::ssize(forecast.members)), where, at_once);
  if (never > 0 && forecast.whole) text += fmt::format(", {} never", never);
  if (forecast.others > 0) text += fmt::format("; {} of other ensembles run before or beside them", forecast.others);
  if (!forecast.whole) return text + ". There is too much in line to say more.\n";
  if (never > 0) return text + ".\n";
  if (forecast.ends) return text + fmt::format("; done {}, as such members took before.\n", In(forecast.ends));
  return text + "; when it is done cannot be said: such members were not trained here before.\n";
}

}  // namespace

std::string RenderPlan(const core::Forecast& forecast, const std::string& where, const Page& page) {
  using enum Table::Align;
  Table table({kLeft, kRight, kLeft, kLeft, kLeft, kLeft});
  table.Add({"member", "slots", "starts", "ends", "on", ""}, Ink::kBold);
  for (const core::ForecastMember& member : forecast.members) {
    const bool never = member.gang.empty() && forecast.whole;
    table.Add({member.name, fmt::format("{}", member.slots), BeginOf(member, forecast.whole),
               member.gang.empty() ? "" : In(member.ends), GangOf(member), member.reason},
              never ? Ink::kRed : Ink::kPlain);
  }
  return table.Render(page) + "\n" + Summary(forecast, where);
}

}  // namespace tutti::cli
