#include "cli/render/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

namespace tutti::cli {
namespace {

// What a key holds, when it is there and of that kind.
template <typename T>
std::optional<T> Find(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  const bool fits = std::is_same_v<T, std::string> ? found->is_string() : found->is_number();
  return fits ? std::optional<T>(found->template get<T>()) : std::nullopt;
}

std::string Text(const Json& json, const char* key) { return Find<std::string>(json, key).value_or(""); }

const Json& List(const Json& json, const char* key) {
  static const Json kEmpty = Json::array();
  const auto found = json.find(key);
  return found != json.end() && found->is_array() ? *found : kEmpty;
}

EpochPoint ReadEpoch(const Json& json) {
  return {Find<int>(json, "epoch").value_or(0), Find<double>(json, "train_loss"), Find<double>(json, "validation_loss"),
          Find<double>(json, "validation_accuracy")};
}

MemberDocument ReadMember(const Json& json) {
  MemberDocument member;
  member.name = Text(json, "name");
  member.state = Text(json, "state");
  member.reason = Text(json, "reason");
  member.last_error = Text(json, "last_error");
  member.attempts = Find<int>(json, "attempts").value_or(0);
  member.failures = Find<int>(json, "failures").value_or(0);
  for (const Json& slot : List(json, "gang")) {
    if (slot.is_string()) member.gang.push_back(slot.get<std::string>());
  }
  member.epoch = Find<double>(json, "epoch").value_or(0);
  member.epochs = Find<double>(json, "epochs").value_or(0);
  member.step = Find<int64_t>(json, "step").value_or(0);
  member.total_steps = Find<int64_t>(json, "total_steps").value_or(0);
  member.train_loss = Find<double>(json, "train_loss");
  member.validation_loss = Find<double>(json, "validation_loss");
  member.validation_accuracy = Find<double>(json, "validation_accuracy");
  member.images_per_second = Find<double>(json, "images_per_second");
  member.train_seconds = Find<double>(json, "train_seconds").value_or(0);
  for (const Json& point : List(json, "curve")) member.curve.push_back(ReadEpoch(point));
  return member;
}

// Of FormatTime's text.
std::optional<double> SecondsOf(const std::string& time) {
  int year = 0;
  unsigned month = 0, day = 0;
  int hour = 0, minute = 0;
  double second = 0;
  if (std::sscanf(time.c_str(), "%d-%u-%uT%d:%d:%lfZ", &year, &month, &day, &hour, &minute, &second) != 6) {
    return std::nullopt;
  }
  const std::chrono::sys_days date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return static_cast<double>(date.time_since_epoch().count()) * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace

double MemberDocument::Progress() const {
  if (state == "finished") return 1;
  if (total_steps > 0) return std::min(1.0, static_cast<double>(step) / static_cast<double>(total_steps));
  return epochs > 0 ? std::min(1.0, epoch / epochs) : 0;
}

std::optional<double> EnsembleDocument::DurationSeconds() const {
  const auto begin = SecondsOf(submitted_at), end = SecondsOf(ended_at);
  if (!begin || !end) return std::nullopt;
  return *end - *begin;
}

double EnsembleDocument::TrainSeconds() const {
  double sum = 0;
  for (const MemberDocument& member : members) sum += member.train_seconds;
  return sum;
}

std::string FailedAlike::Names() const {
  return others == 0 ? first->name : fmt::format("{} and {} more", first->name, others);
}

std::vector<FailedAlike> GroupFailures(const std::vector<const MemberDocument*>& failed) {
  std::vector<FailedAlike> groups;
  std::map<std::string, size_t> by_reason;
  for (const MemberDocument* member : failed) {
    const auto [found, is_new] = by_reason.try_emplace(member->Why(), groups.size());
    if (is_new) {
      groups.push_back({member, 0});
    } else {
      ++groups[found->second].others;
    }
  }
  return groups;
}

Result<EnsembleDocument> ReadEnsemble(const Json& json) {
  EnsembleDocument document;
  if (!json.is_object()) return Fail(ErrorCode::kInvalid, "this is no document of an ensemble: {}", json.dump());
  document.id = Text(json, "id");
  document.state = Text(json, "state");
  if (document.id.empty() || document.state.empty()) {
    return Fail(ErrorCode::kInvalid, "a document of an ensemble lacks its id or state");
  }
  document.submitted_at = Text(json, "submitted_at");
  document.ended_at = Text(json, "ended_at");
  document.note = Text(json, "note");
  document.problem = Text(json, "problem");
  document.members_total = Find<int>(json, "members_total").value_or(0);
  document.members_finished = Find<int>(json, "members_finished").value_or(0);
  document.members_failed = Find<int>(json, "members_failed").value_or(0);
  document.exit_code = Find<int>(json, "exit_code");
  for (const Json& member : List(json, "members")) document.members.push_back(ReadMember(member));
  const auto results = json.find("results");
  if (results != json.end() && results->is_object()) {
    TUTTI_ASSIGN_OR_RETURN(document.results, ensemble::ReportFromJson(*results));
  }
  return document;
}

Result<std::vector<WorkerDocument>> ReadWorkers(const Json& json) {
  if (!json.is_object() || !json.contains("workers")) {
    return Fail(ErrorCode::kInvalid, "this is no list of workers: {}", json.dump());
  }
  std::vector<WorkerDocument> workers;
  for (const Json& entry : List(json, "workers")) {
    const auto is = [&](const char* key) { return entry.is_object() && entry.contains(key) && entry[key] == true; };
    workers.push_back({Text(entry, "id"), is("connected"), Find<int>(entry, "slots").value_or(0),
                       Find<int>(entry, "busy").value_or(0), is("draining"), Text(entry, "note"), Text(entry, "device"),
                       Find<int>(entry, "threads_per_slot").value_or(0),
                       Find<uint64_t>(entry, "slot_memory_bytes").value_or(0)});
  }
  return workers;
}

}  // namespace tutti::cli
