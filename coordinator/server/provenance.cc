#include "coordinator/server/provenance.h"

#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "common/protocol/trainer_events.h"
#include "coordinator/server/file_store.h"
#include "coordinator/server/or_null.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

// The first event is what a trainer says of itself: no need to read on.
constexpr uint64_t kFirstEventBytes = 64 * 1024;

Json Host() {
  utsname names{};
  if (::uname(&names) != 0) return nullptr;
  return {{"name", names.nodename},
          {"system", fmt::format("{} {}", names.sysname, names.release)},
          {"machine", names.machine}};
}

Json AttemptHistory(const AttemptRecord& attempt) {
  Json gang = Json::array();
  for (const SlotId& slot : attempt.gang) gang.push_back(slot.str());
  return {{"attempt", attempt.id.number},
          {"gang", std::move(gang)},
          {"granted_at", FormatTime(attempt.granted_at)},
          {"ended_at", OrNull(attempt.ended_at)},
          {"resumed_from_step", OrNull(attempt.resumed_from_step)},
          {"exit_code", OrNull(attempt.exit_code)}};
}

std::optional<Json> StartedOf(const FileSystem& files, const std::filesystem::path& events) {
  const auto text = files.ReadRange(events, 0, kFirstEventBytes);
  if (!text) return std::nullopt;
  const auto json = ParseJson(std::string_view(*text).substr(0, text->find('\n')));
  if (!json) return std::nullopt;
  const auto event = protocol::TrainerEventFromJson(*json);
  if (!event || !std::holds_alternative<protocol::Started>(*event)) return std::nullopt;
  return std::get<protocol::Started>(*event).provenance;
}

}  // namespace

std::string_view Version() { return TUTTI_VERSION; }

Json Provenance(const Records& records, const EnsembleId& id) {
  Json document = {{"ensemble", id.str()},
                   {"tutti", Version()},
                   {"commit", Commit().empty() ? Json(nullptr) : Json(Commit())},
                   {"coordinator_host", Host()}};
  const auto ensemble = std::find_if(records.ensembles.begin(), records.ensembles.end(),
                                     [&](const EnsembleRecord& record) { return record.id == id; });
  if (ensemble != records.ensembles.end()) {
    document["submitted_at"] = FormatTime(ensemble->submitted_at);
    document["spec_hash"] = ensemble->spec_hash;
    document["data_hash"] = ensemble->data_hash;
  }
  Json jobs = Json::object();
  for (const AttemptRecord& attempt : records.attempts) {
    if (attempt.id.job.ensemble == id) jobs[attempt.id.job.name].push_back(AttemptHistory(attempt));
  }
  document["attempts"] = std::move(jobs);
  return document;
}

Json WithFilesAndTrainers(const FileSystem& files, const std::filesystem::path& ensemble_folder, Json provenance) {
  const EnsembleId id(provenance.at("ensemble").get<std::string>());
  if (Json names = FileNames(files, ensemble_folder); !names.is_null()) provenance["files"] = std::move(names);
  for (auto& job : provenance.at("attempts").items()) {
    for (Json& attempt : job.value()) {
      const AttemptId attempt_id{{id, job.key()}, attempt.at("attempt").get<int>()};
      const auto events = ensemble_folder / storage::AttemptFolder(attempt_id) / "events.jsonl";
      if (auto trainer = StartedOf(files, events)) attempt["trainer"] = std::move(*trainer);
    }
  }
  return provenance;
}

}  // namespace tutti::server
