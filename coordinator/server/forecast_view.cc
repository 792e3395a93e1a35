#include "coordinator/server/forecast_view.h"

#include <exception>
#include <string>

namespace tutti::server {
namespace {

Json SecondsOrNull(const std::optional<Duration>& duration) {
  return duration ? Json(std::chrono::duration<double>(*duration).count()) : Json(nullptr);
}

std::optional<Duration> DurationAt(const Json& json, const char* key) {
  const Json& seconds = json.at(key);
  if (seconds.is_null()) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds.get<double>()));
}

core::ForecastMember MemberFrom(const Json& json) {
  core::ForecastMember member;
  member.name = json.at("name").get<std::string>();
  member.slots = json.at("slots").get<int>();
  for (const Json& slot : json.at("gang")) {
    const std::string text = slot.get<std::string>();
    const size_t colon = text.rfind(':');
    member.gang.push_back({WorkerId(text.substr(0, colon)), std::stoi(text.substr(colon + 1))});
  }
  member.at_once = json.at("at_once").get<bool>();
  member.begins = DurationAt(json, "begins_in");
  member.ends = DurationAt(json, "ends_in");
  member.reason = json.at("reason").get<std::string>();
  return member;
}

}  // namespace

Json ForecastView(const core::Forecast& forecast) {
  Json members = Json::array();
  for (const core::ForecastMember& member : forecast.members) {
    Json gang = Json::array();
    for (const SlotId& slot : member.gang) gang.push_back(slot.str());
    members.push_back({{"name", member.name},
                       {"slots", member.slots},
                       {"gang", std::move(gang)},
                       {"at_once", member.at_once},
                       {"begins_in", SecondsOrNull(member.begins)},
                       {"ends_in", SecondsOrNull(member.ends)},
                       {"reason", member.reason}});
  }
  return {{"members", std::move(members)},
          {"others", forecast.others},
          {"ends_in", SecondsOrNull(forecast.ends)},
          {"whole", forecast.whole}};
}

Result<core::Forecast> ForecastFromView(const Json& view) try {
  core::Forecast forecast;
  for (const Json& member : view.at("members")) forecast.members.push_back(MemberFrom(member));
  forecast.others = view.at("others").get<int>();
  forecast.ends = DurationAt(view, "ends_in");
  forecast.whole = view.at("whole").get<bool>();
  return forecast;
} catch (const std::exception& error) {
  return Fail(ErrorCode::kInvalid, "this is no plan: {}", error.what());
}

}  // namespace tutti::server
