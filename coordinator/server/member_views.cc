#include "coordinator/server/member_views.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/server/or_null.h"

namespace tutti::server {
namespace {

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

Json EpochView(const EpochRecord& epoch) {
  return {{"epoch", epoch.epoch},
          {"attempt", epoch.attempt.number},
          {"step", epoch.step},
          {"train_loss", epoch.train_loss},
          {"validation_loss", OrNull(epoch.validation_loss)},
          {"validation_accuracy", OrNull(epoch.validation_accuracy)},
          {"learning_rate", epoch.learning_rate},
          {"images_per_second", epoch.images_per_second},
          {"train_seconds", epoch.train_seconds}};
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

std::map<std::string, const spec::MemberSpec*> SpecsByName(const std::optional<spec::EnsembleSpec>& spec) {
  std::map<std::string, const spec::MemberSpec*> specs;
  if (!spec) return specs;
  for (const auto& member : spec->members) specs[member.name] = &member;
  return specs;
}

tl::unexpected<Error> NoSuchMember(const JobId& id) {
  return Fail(ErrorCode::kNotFound, "{} has no member {}", id.ensemble, id.name);
}

}  // namespace

std::optional<spec::EnsembleSpec> SpecOf(const EnsembleRecord& ensemble) {
  auto spec = spec::EnsembleFromText(ensemble.spec);
  return spec ? std::optional(std::move(*spec)) : std::nullopt;
}

Json MembersView(const Records& records, const EnsembleRecord& ensemble, const Live& live) {
  return MembersView(records, ensemble, SpecOf(ensemble), live);
}

Json MembersView(const Records& records, const EnsembleRecord& ensemble, const std::optional<spec::EnsembleSpec>& spec,
                 const Live& live) {
  const auto specs = SpecsByName(spec);
  std::vector<MemberRecords> members;
  for (auto& [name, member] : MembersOf(records, ensemble.id)) members.push_back(std::move(member));
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

Result<Json> MemberView(const Records& records, const EnsembleRecord& ensemble, const JobId& id, const Live& live) {
  for (Json& member : MembersView(records, ensemble, live)) {
    if (member["name"] == id.name) return std::move(member);
  }
  return NoSuchMember(id);
}

Result<Json> MemberMetricsView(const Records& records, const JobId& id) {
  const auto members = MembersOf(records, id.ensemble);
  const auto member = members.find(id.name);
  if (member == members.end()) return NoSuchMember(id);
  Json epochs = Json::array();
  for (const EpochRecord* epoch : Curve(member->second)) epochs.push_back(EpochView(*epoch));
  return Json{{"epochs", std::move(epochs)}};
}

}  // namespace tutti::server
