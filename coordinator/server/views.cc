#include "coordinator/server/views.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/hash.h"
#include "coordinator/server/or_null.h"
#include "ensemble/report.h"

namespace tutti::server {
namespace {

// The resolved experiment of a record. One that cannot be read shows as far as the records go.
std::optional<spec::EnsembleSpec> SpecOf(const EnsembleRecord& ensemble) {
  auto spec = spec::EnsembleFromText(ensemble.spec);
  return spec ? std::optional(std::move(*spec)) : std::nullopt;
}

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

Json Summary(const EnsembleRecord& ensemble, const std::optional<spec::EnsembleSpec>& spec, MemberCounts counts,
             const std::string& problem) {
  if (spec) counts.total = std::max(counts.total, static_cast<int>(spec->members.size()));
  return {
      {"id", ensemble.id.str()},
      {"name", spec ? spec->name : ensemble.id.str()},
      {"state", Name(ensemble.state)},
      {"submitted_at", FormatTime(ensemble.submitted_at)},
      {"ended_at", OrNull(ensemble.ended_at)},
      {"note", ensemble.note},
      {"problem", problem},
      {"members_total", counts.total},
      {"members_finished", counts.finished},
      {"members_failed", counts.failed},
      {"minimum_members", spec && spec->minimum_members ? *spec->minimum_members : counts.total},
      {"spec_hash", ensemble.spec_hash},
      {"data_hash", ensemble.data_hash},
      {"exit_code", OrNull(ExitCodeOf(ensemble.state))},
  };
}

// What the records hold of one member, by rising key.
struct MemberRecords {
  const JobRecord* job = nullptr;
  std::vector<const AttemptRecord*> attempts;
  std::vector<const EpochRecord*> epochs;
  std::vector<const CheckpointRecord*> checkpoints;

  // Of earlier attempts, what lies beyond the step from which the newest went on.
  bool IsLost(const AttemptId& attempt, int64_t step) const {
    if (attempts.empty() || attempts.back()->id == attempt) return false;
    return step > attempts.back()->resumed_from_step.value_or(0);
  }
};

std::map<std::string, MemberRecords> MembersOf(const Records& records, const EnsembleId& id) {
  std::map<std::string, MemberRecords> members;
  for (const JobRecord& job : records.jobs) {
    if (job.id.ensemble == id && job.kind == JobKind::kTrain) members[job.id.name].job = &job;
  }
  const auto add = [&](const JobId& job, auto list, const auto& record) {
    if (job.ensemble != id) return;
    const auto member = members.find(job.name);
    if (member != members.end()) (member->second.*list).push_back(&record);
  };
  for (const auto& record : records.attempts) add(record.id.job, &MemberRecords::attempts, record);
  for (const auto& record : records.epochs) add(record.attempt.job, &MemberRecords::epochs, record);
  for (const auto& record : records.checkpoints) add(record.attempt.job, &MemberRecords::checkpoints, record);
  return members;
}

// One line an epoch that counts still: where one was trained twice, since its first end was lost, the newer attempt's.
std::vector<const EpochRecord*> Curve(const MemberRecords& member) {
  std::map<int, const EpochRecord*> newest;
  for (const EpochRecord* epoch : member.epochs) {
    if (member.IsLost(epoch->attempt, epoch->step)) continue;
    const EpochRecord*& slot = newest[epoch->epoch];
    if (slot == nullptr || slot->attempt.number < epoch->attempt.number) slot = epoch;
  }
  std::vector<const EpochRecord*> curve;
  for (const auto& [number, epoch] : newest) curve.push_back(epoch);
  return curve;
}

Json CurveView(const std::vector<const EpochRecord*>& curve) {
  Json view = Json::array();
  for (const EpochRecord* epoch : curve) {
    view.push_back({{"epoch", epoch->epoch},
                    {"train_loss", epoch->train_loss},
                    {"validation_loss", OrNull(epoch->validation_loss)},
                    {"validation_accuracy", OrNull(epoch->validation_accuracy)}});
  }
  return view;
}

Json CheckpointsView(const std::vector<const CheckpointRecord*>& checkpoints) {
  Json view = Json::array();
  for (const CheckpointRecord* checkpoint : checkpoints) {
    if (checkpoint->state != CheckpointState::kCommitted) continue;
    view.push_back({{"attempt", checkpoint->attempt.number},
                    {"step", checkpoint->step},
                    {"folder", checkpoint->folder},
                    {"bytes", checkpoint->size_bytes}});
  }
  return view;
}

Json GangView(const std::vector<const AttemptRecord*>& attempts) {
  Json gang = Json::array();
  if (attempts.empty()) return gang;
  for (const SlotId& slot : attempts.back()->gang) gang.push_back(slot.str());
  return gang;
}

std::string LastError(const std::vector<const AttemptRecord*>& attempts) {
  for (auto attempt = attempts.rbegin(); attempt != attempts.rend(); ++attempt) {
    if (!(*attempt)->error.empty()) return (*attempt)->error;
  }
  return "";
}

// How far a member is, and how far it has to go. What is not known yet is left out.
struct Position {
  double epoch = 0;
  int64_t step = 0;
  std::optional<double> epochs;
  std::optional<int64_t> total_steps;
};

std::optional<double> StepsPerEpoch(const LiveJob& live, const std::vector<const EpochRecord*>& curve) {
  if (live.started && live.started->steps_per_epoch > 0) return static_cast<double>(live.started->steps_per_epoch);
  if (curve.empty() || curve.back()->step <= 0) return std::nullopt;
  return static_cast<double>(curve.back()->step) / curve.back()->epoch;
}

void AddLength(Position& position, const spec::TrainingSpec& training, std::optional<double> steps_per_epoch) {
  const auto length = static_cast<double>(training.length);
  if (training.length_unit == spec::TrainingSpec::LengthUnit::kEpochs) {
    position.epochs = length;
    if (steps_per_epoch) position.total_steps = std::llround(length * *steps_per_epoch);
  } else {
    position.total_steps = training.length;
    if (steps_per_epoch) position.epochs = length / *steps_per_epoch;
  }
}

Position PositionOf(const MemberRecords& member, const spec::MemberSpec* spec, const LiveJob& live,
                    const std::vector<const EpochRecord*>& curve) {
  Position position;
  const auto reach = [&](double epoch, int64_t step) {
    if (step < position.step) return;
    position.epoch = epoch;
    position.step = step;
  };
  for (const CheckpointRecord* checkpoint : member.checkpoints) {
    if (!member.IsLost(checkpoint->attempt, checkpoint->step)) reach(checkpoint->epoch, checkpoint->step);
  }
  if (!curve.empty()) reach(curve.back()->epoch, curve.back()->step);
  if (live.progress) reach(live.progress->epoch, live.progress->step);
  if (spec != nullptr) AddLength(position, spec->training, StepsPerEpoch(live, curve));
  if (live.started && live.started->total_steps > 0) position.total_steps = live.started->total_steps;
  return position;
}

Json MemberView(const MemberRecords& member, const spec::MemberSpec* spec, const LiveJob& live) {
  const std::vector<const EpochRecord*> curve = Curve(member);
  const EpochRecord* last = curve.empty() ? nullptr : curve.back();
  const Position position = PositionOf(member, spec, live, curve);
  double train_seconds = 0;
  for (const EpochRecord* epoch : member.epochs) train_seconds += epoch->train_seconds;
  const bool running = live.progress && member.job->state == JobState::kRunning;
  return {
      {"name", member.job->id.name},
      {"state", Name(member.job->state)},
      {"reason", live.reason.empty() ? member.job->reason : live.reason},
      {"attempts", member.job->attempts},
      {"failures", member.job->failures},
      {"gang", GangView(member.attempts)},
      {"epoch", position.epoch},
      {"epochs", OrNull(position.epochs)},
      {"step", position.step},
      {"total_steps", OrNull(position.total_steps)},
      {"train_loss", running ? Json(live.progress->train_loss)
                     : last  ? Json(last->train_loss)
                             : Json(nullptr)},
      {"validation_loss", last ? OrNull(last->validation_loss) : Json(nullptr)},
      {"validation_accuracy", last ? OrNull(last->validation_accuracy) : Json(nullptr)},
      {"images_per_second", running ? Json(live.progress->images_per_second)
                            : last  ? Json(last->images_per_second)
                                    : Json(nullptr)},
      {"train_seconds", train_seconds},
      {"checkpoints", CheckpointsView(member.checkpoints)},
      {"curve", CurveView(curve)},
      {"last_error", LastError(member.attempts)},
  };
}

Json MembersView(const Records& records, const EnsembleId& id, const std::optional<spec::EnsembleSpec>& spec,
                 const Live& live) {
  std::map<std::string, const spec::MemberSpec*> specs;
  if (spec) {
    for (const auto& member : spec->members) specs[member.name] = &member;
  }
  std::vector<MemberRecords> members;
  for (auto& [name, member] : MembersOf(records, id)) members.push_back(std::move(member));
  std::sort(members.begin(), members.end(),
            [](const auto& one, const auto& other) { return one.job->position < other.job->position; });
  Json view = Json::array();
  for (const MemberRecords& member : members) {
    const auto known = specs.find(member.job->id.name);
    const auto alive = live.find(member.job->id);
    view.push_back(MemberView(member, known == specs.end() ? nullptr : known->second,
                              alive == live.end() ? LiveJob{} : alive->second));
  }
  return view;
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
  std::vector<const EnsembleRecord*> newest_first;
  for (const EnsembleRecord& ensemble : records.ensembles) newest_first.push_back(&ensemble);
  std::sort(newest_first.begin(), newest_first.end(), [](auto* one, auto* other) { return IsOlder(other, one); });
  Counts counts = CountMembers(records);
  Json ensembles = Json::array();
  for (const EnsembleRecord* ensemble : newest_first) {
    const auto problem = problems.find(ensemble->id);
    ensembles.push_back(
        Summary(*ensemble, SpecOf(*ensemble), counts[ensemble->id], problem == problems.end() ? "" : problem->second));
  }
  return {{"ensembles", std::move(ensembles)}};
}

Result<Json> EnsembleView(const Records& records, const EnsembleId& id, const Live& live, const Stored& stored) {
  for (const EnsembleRecord& ensemble : records.ensembles) {
    if (ensemble.id != id) continue;
    const auto spec = SpecOf(ensemble);
    Json view = Summary(ensemble, spec, CountMembers(records)[id], stored.problem);
    view["members"] = MembersView(records, id, spec, live);
    view["results"] = stored.results.value_or(nullptr);
    return view;
  }
  return Fail(ErrorCode::kNotFound, "there is no ensemble {}; `tutti list` shows those that there are", id);
}

Json WorkersView(std::span<const core::Core::WorkerView> workers) {
  Json list = Json::array();
  for (const auto& worker : workers) {
    const auto busy = std::count_if(worker.holders.begin(), worker.holders.end(),
                                    [](const auto& holder) { return holder.has_value(); });
    list.push_back({{"id", worker.id.str()}, {"connected", worker.connected}, {"slots", worker.slots}, {"busy", busy}});
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

Result<EnsembleId> FindEnsemble(const Records& records, std::string_view name) {
  if (!IsValidId(name)) return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of an ensemble", name);
  const EnsembleRecord* found = nullptr;
  for (const EnsembleRecord& ensemble : records.ensembles) {
    const bool newest = name == "last" && (found == nullptr || IsOlder(found, &ensemble));
    if (newest || ensemble.id.str() == name) found = &ensemble;
  }
  if (found != nullptr) return found->id;
  if (name == "last") return Fail(ErrorCode::kNotFound, "there is no ensemble yet");
  return Fail(ErrorCode::kNotFound, "there is no ensemble {}; `tutti list` shows those that there are", name);
}

std::string SpecHash(const spec::EnsembleSpec& spec) { return HashText(spec::ToJson(spec).dump()); }

const EnsembleRecord* FindSame(const Records& records, const std::string& spec_hash) {
  const EnsembleRecord* newest = nullptr;
  for (const EnsembleRecord& ensemble : records.ensembles) {
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
