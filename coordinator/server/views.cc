#include "coordinator/server/views.h"

#include <algorithm>
#include <vector>

#include "common/hash.h"
#include "coordinator/server/member_views.h"
#include "coordinator/server/or_null.h"
#include "ensemble/report.h"

namespace tutti::server {
namespace {

struct MemberCounts {
  int total = 0;
  int finished = 0;
  int failed = 0;
};

using Counts = std::map<EnsembleId, MemberCounts>;

Counts CountMembers(const Records& records) {
  Counts counts;
  for (const JobRecord& job : records.jobs) {
    if (job.kind != JobKind::kTrain) continue;
    MemberCounts& count = counts[job.id.ensemble];
    ++count.total;
    if (job.state == JobState::kFinished) ++count.finished;
    if (job.state == JobState::kFailed) ++count.failed;
  }
  return counts;
}

Json Summary(const EnsembleRecord& ensemble, const std::optional<Outline>& experiment, MemberCounts counts,
             const std::string& problem) {
  if (experiment) counts.total = std::max(counts.total, experiment->members);
  return {
      {"id", ensemble.id.str()},
      {"name", experiment ? experiment->name : ensemble.id.str()},
      {"state", Name(ensemble.state)},
      {"submitted_at", FormatTime(ensemble.submitted_at)},
      {"ended_at", OrNull(ensemble.ended_at)},
      {"note", ensemble.note},
      {"priority", ensemble.priority},
      {"problem", problem},
      {"members_total", counts.total},
      {"members_finished", counts.finished},
      {"members_failed", counts.failed},
      {"minimum_members", experiment && experiment->minimum_members ? *experiment->minimum_members : counts.total},
      {"spec_hash", ensemble.spec_hash},
      {"data_hash", ensemble.data_hash},
      {"exit_code", OrNull(ExitCodeOf(ensemble.state))},
  };
}

Result<Json> ReadResults(const FileSystem& files, const std::filesystem::path& path) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.Read(path));
  TUTTI_ASSIGN_OR_RETURN(Json json, ParseJson(text));
  TUTTI_RETURN_IF_ERROR(ensemble::ReportFromJson(json));
  return json;
}

// The newest last. Ids of one moment are told apart by themselves.
bool IsOlder(const EnsembleRecord* one, const EnsembleRecord* other) {
  return std::tuple(one->submitted_at, one->id) < std::tuple(other->submitted_at, other->id);
}

}  // namespace

Records WithoutProcess(Records records) {
  std::map<EnsembleId, const EnsembleRecord*> left;
  for (EnsembleRecord& ensemble : records.ensembles) {
    if (ensemble.state == EnsembleState::kRunning) {
      ensemble.state = EnsembleState::kStopped;
      ensemble.note = core::kProcessGone;
    }
    const bool stops = ensemble.state == EnsembleState::kStopped || ensemble.state == EnsembleState::kCancelled;
    if (stops && !ensemble.ended_at) left.emplace(ensemble.id, &ensemble);
  }
  for (JobRecord& job : records.jobs) {
    const bool open = job.state == JobState::kWaiting || job.state == JobState::kRunning;
    const auto found = left.find(job.id.ensemble);
    if (!open || found == left.end()) continue;
    job.state = found->second->state == EnsembleState::kCancelled ? JobState::kCancelled : JobState::kStopped;
    job.reason = found->second->note;
  }
  return records;
}

Json EnsemblesView(const Records& records, const std::map<EnsembleId, std::string>& problems) {
  Outlines outlines;
  return EnsemblesView(records, problems, outlines);
}

Json EnsemblesView(const Records& records, const std::map<EnsembleId, std::string>& problems, Outlines& outlines) {
  std::vector<const EnsembleRecord*> newest_first;
  for (const EnsembleRecord& ensemble : records.ensembles) newest_first.push_back(&ensemble);
  std::sort(newest_first.begin(), newest_first.end(), [](auto* one, auto* other) { return IsOlder(other, one); });
  Counts counts = CountMembers(records);
  Json ensembles = Json::array();
  for (const EnsembleRecord* ensemble : newest_first) {
    const auto problem = problems.find(ensemble->id);
    ensembles.push_back(Summary(*ensemble, outlines.Of(*ensemble), counts[ensemble->id],
                                problem == problems.end() ? "" : problem->second));
  }
  return {{"ensembles", std::move(ensembles)}};
}

Result<Json> EnsembleView(const Records& records, const EnsembleId& id, const Live& live, const Stored& stored) {
  for (const EnsembleRecord& ensemble : records.ensembles) {
    if (ensemble.id != id) continue;
    const auto spec = SpecOf(ensemble);
    const auto outline = spec ? std::optional(OutlineOf(*spec)) : std::nullopt;
    Json view = Summary(ensemble, outline, CountMembers(records)[id], stored.problem);
    view["members"] = MembersView(records, ensemble, spec, live);
    view["results"] = stored.results.value_or(nullptr);
    return view;
  }
  return Fail(ErrorCode::kNotFound, "there is no ensemble {}; `tutti list` shows those that there are", id);
}

Json WorkersView(std::span<const core::Core::WorkerView> workers, const FindHello& find_hello) {
  Json list = Json::array();
  for (const auto& worker : workers) {
    const auto busy = std::count_if(worker.holders.begin(), worker.holders.end(),
                                    [](const auto& holder) { return holder.has_value(); });
    const protocol::Hello* hello = find_hello(worker);
    const bool knows_memory = hello != nullptr && hello->slot_memory_bytes > 0;
    list.push_back({{"id", worker.id.str()},
                    {"connected", worker.connected},
                    {"host", hello != nullptr ? Json(hello->host) : Json(nullptr)},
                    {"device", hello != nullptr ? Json(hello->device) : Json(nullptr)},
                    {"threads_per_slot", hello != nullptr ? Json(hello->threads_per_slot) : Json(nullptr)},
                    {"slot_memory_bytes", knows_memory ? Json(hello->slot_memory_bytes) : Json(nullptr)},
                    {"slots", worker.slots},
                    {"busy", busy},
                    {"draining", worker.draining},
                    {"note", worker.closed}});
  }
  return {{"workers", std::move(list)}};
}

Json ProblemView(const Error& error) {
  return {{"title", error.Text()}, {"status", HttpStatus(error.code)}, {"code", Name(error.code)}};
}

int HttpStatus(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kExists:
      return 409;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kDenied:
      return 403;
    case ErrorCode::kNoSpace:
      return 507;
    case ErrorCode::kUnreachable:
      return 503;
    case ErrorCode::kCancelled:
      return 503;
    case ErrorCode::kTimeout:
      return 504;
    case ErrorCode::kIo:
      return 500;
    case ErrorCode::kCorrupt:
      return 500;
    case ErrorCode::kInternal:
      return 500;
  }
  TUTTI_CHECK(false);
}

Result<EnsembleId> FindEnsemble(std::span<const EnsembleRecord> ensembles, std::string_view name) {
  if (!IsValidId(name)) return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of an ensemble", name);
  const EnsembleRecord* found = nullptr;
  for (const EnsembleRecord& ensemble : ensembles) {
    const bool newest = name == "last" && (found == nullptr || IsOlder(found, &ensemble));
    if (newest || ensemble.id.str() == name) found = &ensemble;
  }
  if (found != nullptr) return found->id;
  if (name == "last") return Fail(ErrorCode::kNotFound, "there is no ensemble yet");
  return Fail(ErrorCode::kNotFound, "there is no ensemble {}; `tutti list` shows those that there are", name);
}

std::string SpecHash(const spec::EnsembleSpec& spec) { return HashText(spec::ToJson(spec).dump()); }

const EnsembleRecord* FindSame(std::span<const EnsembleRecord> ensembles, const std::string& spec_hash) {
  const EnsembleRecord* newest = nullptr;
  for (const EnsembleRecord& ensemble : ensembles) {
    if (ensemble.spec_hash != spec_hash || ensemble.state == EnsembleState::kRemoving) continue;
    if (newest == nullptr || newest->submitted_at <= ensemble.submitted_at) newest = &ensemble;
  }
  return newest;
}

bool IsAnswered(EnsembleState state) {
  return state == EnsembleState::kFinished || state == EnsembleState::kIncomplete;
}

std::optional<int> ExitCodeOf(EnsembleState state) {
  switch (state) {
    case EnsembleState::kFinished:
      return 0;
    case EnsembleState::kIncomplete:
      return 5;
    case EnsembleState::kFailed:
      return 1;
    case EnsembleState::kCancelled:
      return 1;
    case EnsembleState::kRemoving:
      return 1;
    case EnsembleState::kRunning:
      return std::nullopt;
    case EnsembleState::kStopped:
      return std::nullopt;
  }
  TUTTI_CHECK(false);
}

std::string ProblemOfFolder(const FileSystem& files, const std::filesystem::path& home,
                            const EnsembleRecord& ensemble) {
  if (ensemble.state == EnsembleState::kRemoving) return "";
  const std::filesystem::path folder = home / ensemble.id.str();
  const auto info = files.Stat(folder);
  if (info || info.error().code != ErrorCode::kNotFound) return "";
  return fmt::format("its folder {} is gone; `tutti rm {}` forgets it", folder.string(), ensemble.id);
}

Stored ReadStored(const FileSystem& files, const std::filesystem::path& home, const EnsembleRecord& ensemble) {
  if (!IsValidId(ensemble.id.str())) return {};
  if (auto gone = ProblemOfFolder(files, home, ensemble); !gone.empty()) return {std::nullopt, std::move(gone)};
  if (!ensemble.combined) return {};
  const std::filesystem::path path = home / ensemble.id.str() / "results.json";
  auto results = ReadResults(files, path);
  if (results) return {std::move(*results), ""};
  return {std::nullopt, fmt::format("{} cannot be read ({}); `tutti resume {}` makes it again", path.string(),
                                    results.error().Text(), ensemble.id)};
}

std::map<EnsembleId, std::string> ProblemsOf(const FileSystem& files, const std::filesystem::path& home,
                                             const Records& records) {
  std::map<EnsembleId, std::string> problems;
  for (const EnsembleRecord& ensemble : records.ensembles) {
    if (!IsValidId(ensemble.id.str())) continue;
    if (auto gone = ProblemOfFolder(files, home, ensemble); !gone.empty()) problems[ensemble.id] = std::move(gone);
  }
  return problems;
}

}  // namespace tutti::server
