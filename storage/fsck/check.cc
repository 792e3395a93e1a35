#include "storage/fsck/check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/json.h"
#include "common/network/sha256.h"
#include "common/spec/experiment_files.h"
#include "common/tensors/tensor_file.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "storage/checkpoints/predictions.h"
#include "storage/fsck/ensemble_folders.h"

namespace tutti::storage {
namespace {

namespace fs = std::filesystem;

bool IsLive(const AttemptRecord& attempt) { return attempt.state != AttemptState::kEnded; }

// Holds one ensemble's rows against its folder.
class EnsembleCheck {
 public:
  EnsembleCheck(FileSystem& files, fs::path folder, EnsembleId id, const Records& records, CheckReport& report)
      : files_(files), folder_(std::move(folder)), id_(std::move(id)), store_(files, folder_), report_(report) {
    for (const CheckpointRecord& row : records.checkpoints) {
      if (row.attempt.job.ensemble == id_) rows_.emplace(CheckpointKey{row.attempt, row.step}, &row);
    }
    for (const AttemptRecord& row : records.attempts) {
      if (row.id.job.ensemble == id_ && IsLive(row)) live_.insert(row.id);
    }
    for (const EnsembleRecord& row : records.ensembles) {
      if (row.id == id_) ensemble_ = &row;
    }
    for (const PredictionRecord& row : records.predictions) {
      if (row.attempt.job.ensemble == id_) predictions_.push_back(&row);
    }
  }

  Result<void> Run() {
    TUTTI_ASSIGN_OR_RETURN(const std::vector<AttemptId> attempts, store_.Attempts(id_));
    TUTTI_RETURN_IF_ERROR(FindRunsByHand(attempts));
    for (const AttemptId& attempt : attempts) TUTTI_RETURN_IF_ERROR(CheckAttempt(attempt));
    for (const auto& [key, row] : rows_) ReportLost(*row);
    for (const PredictionRecord* row : predictions_) TUTTI_RETURN_IF_ERROR(CheckPrediction(*row));
    if (ensemble_ != nullptr) TUTTI_RETURN_IF_ERROR(CheckCopies());
    if (ensemble_ != nullptr && ensemble_->split_drawn) TUTTI_RETURN_IF_ERROR(CheckInspection());
    if (ensemble_ != nullptr && ensemble_->combined) TUTTI_RETURN_IF_ERROR(CheckResults());
    return {};
  }

 private:
  // Neither prepared by a coordinator nor with rows of it.
  Result<void> FindRunsByHand(const std::vector<AttemptId>& attempts) {
    for (const AttemptId& attempt : attempts) {
      TUTTI_ASSIGN_OR_RETURN(const bool prepared, store_.IsPrepared(attempt));
      const auto row = rows_.lower_bound(CheckpointKey{attempt, 0});
      if (prepared || (row != rows_.end() && row->first.attempt == attempt)) {
        newest_[attempt.job] = attempt.number;  // they come by number
        continue;
      }
      TUTTI_ASSIGN_OR_RETURN(const bool by_hand, store_.IsRunByHand(attempt));
      if (by_hand) by_hand_.insert(attempt);
    }
    return {};
  }

  Result<void> CheckAttempt(const AttemptId& attempt) {
    if (by_hand_.contains(attempt)) {
      Report(ProblemKind::kQuarantined, folder_ / AttemptFolder(attempt), kRunByHand);
      return {};
    }
    auto contents = store_.Inspect(attempt);
    if (!contents && contents.error().code == ErrorCode::kNotFound) return {};  // it has just gone
    if (!contents) return tl::unexpected(std::move(contents.error()));
    for (const FoundCheckpoint& checkpoint : contents->checkpoints) {
      TUTTI_RETURN_IF_ERROR(CheckCheckpoint(checkpoint));
    }
    for (const QuarantinedFolder& folder : contents->quarantined) CheckQuarantined(attempt, folder);
    for (const fs::path& folder : contents->temporary) CheckTemporary(attempt, folder);
    return {};
  }

  Result<void> CheckCheckpoint(const FoundCheckpoint& checkpoint) {
    ++report_.checkpoints;
    for (const FileEntry& file : checkpoint.manifest.files) report_.bytes += file.size_bytes;
    const CheckpointRecord* row = TakeRow({checkpoint.manifest.attempt, checkpoint.manifest.step});
    if (row != nullptr && row->state == CheckpointState::kDeleting) {
      ReportMarked(*row);
      return {};
    }
    if (row != nullptr && row->manifest_hash != checkpoint.manifest_hash) {
      Report(ProblemKind::kDamaged, checkpoint.folder,
             "its manifest is not the one that was recorded: the checkpoint is not to be trusted");
      return {};
    }
    auto verified = store_.Verify(checkpoint);
    if (!verified && verified.error().code != ErrorCode::kCorrupt) return verified;
    if (!verified && row == nullptr) {
      ReportQuarantined(checkpoint.folder, verified.error().Text());
    } else if (!verified) {
      Report(ProblemKind::kDamaged, checkpoint.folder, verified.error().Text());
    } else if (row == nullptr) {
      ReportUnrecorded(checkpoint);
    }
    return {};
  }

  void ReportUnrecorded(const FoundCheckpoint& checkpoint) {
    const AttemptId& attempt = checkpoint.manifest.attempt;
    const bool newest = newest_.at(attempt.job) == attempt.number;
    Report(ProblemKind::kFolderWithoutRow, checkpoint.folder,
           newest ? "whole, and not recorded: it is taken in before the member's next attempt, or by a rebuild"
                  : "whole, not recorded, and of an attempt that was replaced: only a rebuild takes it in");
  }

  void CheckQuarantined(const AttemptId& attempt, const QuarantinedFolder& folder) {
    for (auto it = rows_.begin(); it != rows_.end(); ++it) {
      if (it->first.attempt != attempt || StepFolderName(it->first.step) != folder.folder.filename()) continue;
      const CheckpointRecord& row = *it->second;
      rows_.erase(it);
      if (row.state == CheckpointState::kDeleting) return ReportMarked(row);
      return Report(ProblemKind::kDamaged, folder.folder, folder.reason);
    }
    ReportQuarantined(folder.folder, folder.reason);
  }

  void ReportQuarantined(const fs::path& folder, const std::string& reason) {
    Report(ProblemKind::kQuarantined, folder,
           reason + ": it is left alone; delete it when you know that it is not needed");
  }

  void CheckTemporary(const AttemptId& attempt, const fs::path& folder) {
    if (live_.contains(attempt)) return;  // it may be writing
    Report(ProblemKind::kTemporary, folder,
           "left half written by an attempt that ended: safe to delete, and removed before the member's next attempt");
  }

  void ReportLost(const CheckpointRecord& row) {
    if (row.state == CheckpointState::kDeleting) return ReportMarked(row);
    Report(ProblemKind::kRowWithoutFolder, folder_ / row.folder,
           fmt::format("step {} of {} was recorded and is gone", row.step, row.attempt.str()));
  }

  void ReportMarked(const CheckpointRecord& row) {
    Report(ProblemKind::kMarked, folder_ / row.folder, "being deleted: the next start of tutti goes on with it");
  }

  Result<void> CheckPrediction(const PredictionRecord& row) {
    auto whole = ReadPredictions(files_, folder_ / row.file, row);
    if (whole) return {};
    const std::string what = fmt::format("the predictions of {} on {}", row.attempt.str(), Name(row.split));
    const std::string remedy =
        fmt::format("`tutti fsck --rebuild` and `tutti resume {}` make them again from the last checkpoint", id_);
    if (whole.error().code == ErrorCode::kNotFound) {
      Report(ProblemKind::kRowWithoutFolder, folder_ / row.file,
             fmt::format("{} were recorded and are gone; {}", what, remedy));
    } else if (whole.error().code == ErrorCode::kCorrupt) {
      Report(ProblemKind::kDamaged, folder_ / row.file, fmt::format("{}: {}; {}", what, whole.error().Text(), remedy));
    } else {
      return tl::unexpected(std::move(whole.error()));
    }
    return {};
  }

  // The split, and the labels that it was drawn from.
  Result<void> CheckInspection() {
    const fs::path split = folder_ / "split.safetensors";
    const std::string remedy = "it is made again from the data before the ensemble goes on or is combined again";
    const auto tensors = tensors::TensorFile::Read(files_, split);
    if (!tensors) return ReportUnreadable(split, tensors.error(), remedy);
    const auto inspection = tensors->metadata().find("inspection");
    if (inspection == tensors->metadata().end()) return {};  // of an earlier build
    const fs::path labels = folder_ / inspection->second;
    const auto whole = tensors::TensorFile::Read(files_, labels);
    return whole ? Result<void>() : ReportUnreadable(labels, whole.error(), remedy);
  }

  // The files that came with the experiment, which are called as their SHA-256.
  Result<void> CheckCopies() {
    const auto json = ParseJson(ensemble_->spec);
    const auto spec =
        json ? spec::EnsembleFromJson(*json) : Result<spec::EnsembleSpec>(tl::unexpected<Error>(json.error()));
    if (!spec) return {};  // told by who trains it
    for (const fs::path& file : spec::FilesOf(*spec)) {
      if (file.is_absolute()) continue;  // of an earlier build
      const fs::path path = folder_ / file;
      const std::string remedy = "files/names.json says where it lay: copy it there again, under this name";
      const auto hash = network::Sha256OfFile(files_, path);
      if (!hash) {
        TUTTI_RETURN_IF_ERROR(ReportUnreadable(path, hash.error(), remedy));
      } else if (*hash != file.stem()) {
        Report(ProblemKind::kDamaged, path, fmt::format("its SHA-256 is {} now; {}", *hash, remedy));
      }
    }
    return {};
  }

  Result<void> CheckResults() {
    const fs::path path = folder_ / "results.json";
    const auto text = files_.Read(path);
    const auto json = text ? ParseJson(*text) : Result<Json>(tl::unexpected<Error>(text.error()));
    return json ? Result<void>()
                : ReportUnreadable(path, json.error(), fmt::format("`tutti resume {}` makes it again", id_));
  }

  // What the disk does not give now is no loss.
  Result<void> ReportUnreadable(const fs::path& path, const Error& error, const std::string& remedy) {
    if (error.code == ErrorCode::kIo || error.code == ErrorCode::kDenied) return tl::unexpected<Error>(error);
    if (error.code == ErrorCode::kNotFound) {
      Report(ProblemKind::kRowWithoutFolder, path, fmt::format("it is gone; {}", remedy));
    } else {
      Report(ProblemKind::kDamaged, path, fmt::format("{}; {}", error.Text(), remedy));
    }
    return {};
  }

  const CheckpointRecord* TakeRow(const CheckpointKey& key) {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return nullptr;
    const CheckpointRecord* row = found->second;
    rows_.erase(found);
    return row;
  }

  void Report(ProblemKind kind, const fs::path& path, std::string text) {
    report_.problems.push_back({kind, path, std::move(text)});
  }

  FileSystem& files_;
  fs::path folder_;
  EnsembleId id_;
  CheckpointStore store_;
  CheckReport& report_;
  std::map<CheckpointKey, const CheckpointRecord*> rows_;  // not yet found on disk
  std::set<AttemptId> live_;
  std::set<AttemptId> by_hand_;
  std::vector<const PredictionRecord*> predictions_;
  const EnsembleRecord* ensemble_ = nullptr;
  std::map<JobId, int> newest_;
};

std::set<EnsembleId> RecordedEnsembles(const Records& records) {
  std::set<EnsembleId> ids;
  for (const EnsembleRecord& row : records.ensembles) ids.insert(row.id);
  return ids;
}

std::set<EnsembleId> RemovedEnsembles(const Records& records) {
  std::set<EnsembleId> ids;
  for (const EnsembleRecord& row : records.ensembles) {
    if (row.state == EnsembleState::kRemoving) ids.insert(row.id);
  }
  return ids;
}

}  // namespace

std::string_view Name(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kRowWithoutFolder:
      return "row without folder";
    case ProblemKind::kDamaged:
      return "damaged";
    case ProblemKind::kFolderWithoutRow:
      return "folder without row";
    case ProblemKind::kMarked:
      return "being deleted";
    case ProblemKind::kTemporary:
      return "left half written";
    case ProblemKind::kQuarantined:
      return "quarantined";
  }
  TUTTI_CHECK(false);
}

bool IsAlarm(ProblemKind kind) { return kind == ProblemKind::kRowWithoutFolder || kind == ProblemKind::kDamaged; }

int CheckReport::alarms() const {
  return static_cast<int>(
      std::count_if(problems.begin(), problems.end(), [](const Problem& problem) { return IsAlarm(problem.kind); }));
}

Result<CheckReport> Check(FileSystem& files, const fs::path& home, const Records& records) {
  CheckReport report;
  TUTTI_ASSIGN_OR_RETURN(const std::set<EnsembleId> found, EnsembleFolders(files, home));
  const std::set<EnsembleId> recorded = RecordedEnsembles(records);
  const std::set<EnsembleId> removing = RemovedEnsembles(records);
  std::set<EnsembleId> all = recorded;
  all.insert(found.begin(), found.end());
  report.ensembles = static_cast<int>(all.size());
  for (const EnsembleId& id : all) {
    const fs::path folder = home / id.str();
    if (removing.contains(id)) {
      report.problems.push_back({ProblemKind::kMarked, folder,
                                 "the ensemble is being removed: the next `tutti run` or `tutti rm` ends that"});
      continue;
    }
    if (!recorded.contains(id)) {
      report.problems.push_back({ProblemKind::kFolderWithoutRow, folder,
                                 "an ensemble that is not recorded: `tutti fsck --rebuild` takes it in"});
    } else if (!found.contains(id)) {
      report.problems.push_back({ProblemKind::kRowWithoutFolder, folder,
                                 "the ensemble was recorded, and its folder with resolved.json is gone"});
    }
    TUTTI_RETURN_IF_ERROR(EnsembleCheck(files, folder, id, records, report).Run());
  }
  return report;
}

}  // namespace tutti::storage
