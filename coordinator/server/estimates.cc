#include "coordinator/server/estimates.h"

#include <algorithm>

#include "common/json.h"

namespace tutti::server {
namespace {

double SecondsBetween(TimePoint begin, TimePoint end) { return std::chrono::duration<double>(end - begin).count(); }

// Of each job, from the start of its attempts to their ends, or to now; what it waited for between them is left out.
std::map<JobId, double> SecondsOfJobs(const Records& ensemble, TimePoint now) {
  std::map<JobId, double> seconds;
  for (const AttemptRecord& attempt : ensemble.attempts) {
    if (attempt.started_at) {
      seconds[attempt.id.job] += SecondsBetween(*attempt.started_at, attempt.ended_at.value_or(now));
    }
  }
  return seconds;
}

// A forecast adds up one for each member: beyond a century they are all alike, and no sum leaves a Duration's range.
constexpr double kLongestSeconds = 100 * 365.25 * 86'400;

Duration AsDuration(double seconds) {
  return Duration(static_cast<Duration::rep>(std::min(seconds, kLongestSeconds) * 1000));
}

}  // namespace

std::string Estimates::KindOf(const spec::DataSpec& data, const spec::MemberSpec& member) {
  Json kind = spec::ToJson(member);
  for (const char* own : {"name", "seed"}) kind.erase(own);
  kind["model"].erase("weights");
  // What it is trained with and for how long changes how long an epoch takes by little.
  kind["training"] = {{"batch_size", member.training.batch_size},
                      {"unit", static_cast<int>(member.training.length_unit)}};
  kind["data"] = spec::ToJson(data);
  return kind.dump();
}

void Estimates::Learn(const Records& ensemble, const std::map<JobId, double>& epochs, TimePoint now) {
  if (ensemble.ensembles.empty()) return;
  const auto spec = spec::EnsembleFromText(ensemble.ensembles.front().spec);
  if (!spec) return;
  auto seconds = SecondsOfJobs(ensemble, now);
  for (const JobRecord& job : ensemble.jobs) {
    const auto member = std::ranges::find(spec->members, job.id.name, &spec::MemberSpec::name);
    if (member == spec->members.end()) continue;
    const auto length = static_cast<double>(member->training.length);
    const bool in_epochs = member->training.length_unit == spec::TrainingSpec::LengthUnit::kEpochs;
    const auto at = epochs.find(job.id);
    const double done = job.state == JobState::kFinished ? length : at != epochs.end() && in_epochs ? at->second : 0;
    const std::string kind = KindOf(spec->data, *member);
    jobs_.try_emplace(job.id, Job{kind, std::max(0.0, length - done)});
    // A beginning says little: libraries are loaded, data is prepared.
    if (done >= 1) seconds_.try_emplace(kind, seconds[job.id] / done);
  }
}

std::optional<Duration> Estimates::Of(const spec::DataSpec& data, const spec::MemberSpec& member) const {
  const auto known = seconds_.find(KindOf(data, member));
  if (known == seconds_.end()) return std::nullopt;
  return AsDuration(known->second * static_cast<double>(member.training.length));
}

std::optional<Duration> Estimates::Left(const JobId& job) const {
  const auto learnt = jobs_.find(job);
  if (learnt == jobs_.end()) return std::nullopt;
  const auto known = seconds_.find(learnt->second.kind);
  if (known == seconds_.end()) return std::nullopt;
  return AsDuration(known->second * learnt->second.length);
}

std::optional<Duration> LongestBesideTraining(const Records& ensemble) {
  struct Epochs {
    int count = 0;
    double train_seconds = 0;
  };
  std::map<AttemptId, Epochs> epochs;
  for (const EpochRecord& epoch : ensemble.epochs) {
    ++epochs[epoch.attempt].count;
    epochs[epoch.attempt].train_seconds += epoch.train_seconds;
  }
  std::optional<double> longest;
  for (const AttemptRecord& attempt : ensemble.attempts) {
    const auto of = epochs.find(attempt.id);
    if (of == epochs.end() || attempt.exit_code != 0 || !attempt.started_at || !attempt.ended_at) continue;
    const double beside = SecondsBetween(*attempt.started_at, *attempt.ended_at) - of->second.train_seconds;
    longest = std::max(longest.value_or(0), beside / of->second.count);
  }
  return longest ? std::optional(AsDuration(*longest)) : std::nullopt;
}

}  // namespace tutti::server
