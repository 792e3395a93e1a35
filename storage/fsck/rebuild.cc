#include "storage/fsck/rebuild.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/hash.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/jobs.h"
#include "storage/fsck/attempt_history.h"
#include "storage/fsck/ensemble_folders.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNote = "recorded anew from its folders";

template <typename T>
void MoveInto(std::vector<T>& all, std::vector<T>&& some) {
  std::move(some.begin(), some.end(), std::back_inserter(all));
}

// One ensemble's records, from its folder.
class EnsembleRebuild {
 public:
  EnsembleRebuild(FileSystem& files, fs::path folder, EnsembleId id, RebuiltRecords& result)
      : files_(files), folder_(std::move(folder)), result_(result) {
    ensemble_.id = std::move(id);
  }

  Result<void> Run() {
    auto jobs = ReadExperiment();
    if (!jobs) {
      if (jobs.error().code == ErrorCode::kIo || jobs.error().code == ErrorCode::kDenied) {
        return tl::unexpected(std::move(jobs.error()));
      }
      result_.problems.push_back({ProblemKind::kQuarantined, folder_ / kResolvedExperiment,
                                  "the ensemble was left out, its experiment cannot be read: " + jobs.error().Text()});
      return {};
    }
    TUTTI_RETURN_IF_ERROR(ReadAttempts(*jobs));
    TUTTI_RETURN_IF_ERROR(SetStates(*jobs));
    std::sort(jobs->begin(), jobs->end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    MoveInto(result_.records.jobs, std::move(*jobs));
    result_.records.ensembles.push_back(std::move(ensemble_));
    return {};
  }

 private:
  Result<std::vector<JobRecord>> ReadExperiment() {
    TUTTI_ASSIGN_OR_RETURN(ensemble_.spec, files_.Read(folder_ / kResolvedExperiment));
    TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(ensemble_.spec));
    TUTTI_ASSIGN_OR_RETURN(const spec::EnsembleSpec spec, spec::EnsembleFromJson(json));
    ensemble_.spec_hash = HashText(ensemble_.spec);
    ensemble_.submitted_at = WrittenAt(folder_ / kResolvedExperiment).value_or(TimePoint());
    return spec::JobsOf(ensemble_.id, spec);
  }

  Result<void> ReadAttempts(std::vector<JobRecord>& jobs) {
    const CheckpointStore store(files_, folder_);
    TUTTI_ASSIGN_OR_RETURN(const std::vector<AttemptId> attempts, store.Attempts(ensemble_.id));
    for (const AttemptId& id : attempts) {
      const auto job =
          std::find_if(jobs.begin(), jobs.end(), [&](const JobRecord& other) { return other.id == id.job; });
      if (job == jobs.end()) {
        result_.problems.push_back(
            {ProblemKind::kQuarantined, folder_ / AttemptFolder(id), "its experiment has no such member: left alone"});
        continue;
      }
      job->attempts = std::max(job->attempts, id.number);
      TUTTI_ASSIGN_OR_RETURN(const bool prepared, store.IsPrepared(id));
      TUTTI_ASSIGN_OR_RETURN(const bool by_hand, store.IsRunByHand(id));
      if (by_hand) {
        result_.problems.push_back({ProblemKind::kQuarantined, folder_ / AttemptFolder(id), kRunByHand});
      }
      if (!prepared) continue;
      TUTTI_ASSIGN_OR_RETURN(AttemptHistory history, ReadAttempt(files_, folder_, id));
      TakeIn(*job, std::move(history));
      if (ensemble_.data_hash.empty()) ensemble_.data_hash = DataHashTold(id);
    }
    return {};
  }

  // What an attempt's trainer was told that the data is; empty: nothing.
  std::string DataHashTold(const AttemptId& id) const {
    const auto text = files_.Read(folder_ / AttemptFolder(id) / kTaskName);
    const auto task = text ? ParseJson(*text) : Result<Json>(tl::unexpected<Error>(text.error()));
    if (!task || !task->is_object() || !task->contains("data_hash")) return "";
    const Json& hash = (*task)["data_hash"];
    return hash.is_string() ? hash.get<std::string>() : "";
  }

  void TakeIn(const JobRecord& job, AttemptHistory history) {
    for (const QuarantinedFolder& folder : history.quarantined) {
      result_.problems.push_back({ProblemKind::kQuarantined, folder.folder, folder.reason});
    }
    for (const CheckpointRecord& checkpoint : history.checkpoints) steps_[job.id].insert(checkpoint.step);
    if (history.finished_at && history.lost.empty()) finished_at_[job.id].insert(*history.finished_at);
    if (history.finished_at) lost_[job.id] = std::move(history.lost);
    if (!history.data_hash.empty()) ensemble_.data_hash = history.data_hash;
    result_.records.attempts.push_back(std::move(history.attempt));
    MoveInto(result_.records.epochs, std::move(history.epochs));
    MoveInto(result_.records.checkpoints, std::move(history.checkpoints));
    MoveInto(result_.records.predictions, std::move(history.predictions));
  }

  // A member without its last checkpoint, or without all that it predicted, has not finished, whatever it said.
  bool HasFinished(const JobRecord& job) {
    if (job.kind == JobKind::kInspect) return ensemble_.split_drawn;
    const std::set<int64_t>& steps = steps_[job.id];
    const std::set<int64_t>& finished_at = finished_at_[job.id];
    return std::any_of(finished_at.begin(), finished_at.end(), [&](int64_t step) { return steps.contains(step); });
  }

  void SayWhatIsLost(JobRecord& job) {
    job.reason = kNote;
    for (const auto& [row, error] : lost_[job.id]) {
      const bool gone = error.code == ErrorCode::kNotFound;
      result_.problems.push_back(
          {gone ? ProblemKind::kRowWithoutFolder : ProblemKind::kDamaged, folder_ / row.file,
           fmt::format("the predictions of {} on {} {}: {} predicts again once its ensemble is resumed",
                       row.attempt.str(), Name(row.split), gone ? "are gone" : "are damaged", job.id.name)});
    }
  }

  Result<void> SetStates(std::vector<JobRecord>& jobs) {
    TUTTI_ASSIGN_OR_RETURN(const bool split, IsThere(files_, folder_ / "split.safetensors"));
    ensemble_.split_drawn =
        split && !ensemble_.data_hash.empty();  // else the data is inspected again, and split the same
    TUTTI_ASSIGN_OR_RETURN(const bool answered, IsThere(files_, folder_ / "results.json"));
    bool all_finished = true;
    for (JobRecord& job : jobs) {
      const bool finished = HasFinished(job);
      job.state = finished ? JobState::kFinished : JobState::kStopped;
      if (!finished) SayWhatIsLost(job);
      all_finished = all_finished && finished;
    }
    ensemble_.combined = all_finished && answered;
    ensemble_.state = ensemble_.combined ? EnsembleState::kFinished : EnsembleState::kStopped;
    ensemble_.note = kNote;
    if (ensemble_.combined) ensemble_.ended_at = WrittenAt(folder_ / "results.json");
    return {};
  }

  FileSystem& files_;
  fs::path folder_;
  RebuiltRecords& result_;
  EnsembleRecord ensemble_;
  std::map<JobId, std::set<int64_t>> steps_;            // of whole checkpoints
  std::map<JobId, std::set<int64_t>> finished_at_;      // of attempts that said so and whose predictions are all there
  std::map<JobId, std::vector<LostPredictions>> lost_;  // of the last attempt that said so
};

}  // namespace

Result<RebuiltRecords> ReadFolders(FileSystem& files, const fs::path& home) {
  RebuiltRecords result;
  TUTTI_ASSIGN_OR_RETURN(const std::set<EnsembleId> ids, EnsembleFolders(files, home));
  for (const EnsembleId& id : ids) {
    TUTTI_RETURN_IF_ERROR(EnsembleRebuild(files, home / id.str(), id, result).Run());
  }
  return result;
}

Result<Rebuilt> Rebuild(FileSystem& files, const fs::path& home) {
  TUTTI_ASSIGN_OR_RETURN(RebuiltRecords found, ReadFolders(files, home));
  TUTTI_ASSIGN_OR_RETURN(Catalog catalog, Catalog::Replace(files, home, found.records));
  return Rebuilt{std::move(catalog), std::move(found.problems)};
}

}  // namespace tutti::storage
