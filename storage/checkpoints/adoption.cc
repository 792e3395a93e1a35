#include "storage/checkpoints/adoption.h"

#include <algorithm>
#include <functional>
#include <map>

namespace tutti::storage {
namespace {

uint64_t TotalBytes(const Manifest& manifest) {
  uint64_t total = 0;
  for (const FileEntry& file : manifest.files) total += file.size_bytes;
  return total;
}

bool HasRow(const FoundCheckpoint& checkpoint, std::span<const CheckpointRecord> known) {
  return std::any_of(known.begin(), known.end(), [&](const CheckpointRecord& row) {
    return row.attempt == checkpoint.manifest.attempt && row.step == checkpoint.manifest.step;
  });
}

Result<void> VerifyRow(const CheckpointStore& store, const CheckpointRecord& row) {
  TUTTI_ASSIGN_OR_RETURN(const FoundCheckpoint found, store.Find(row.attempt, row.step));
  if (found.manifest_hash != row.manifest_hash) {
    return Fail(ErrorCode::kCorrupt, "{} is not the one that was recorded", (found.folder / "manifest.json").string());
  }
  return store.Verify(found);
}

// Of the job's rows, the newest first, those that the next attempt would go on from and cannot.
Result<std::vector<UnreadableCheckpoint>> FindUnreadable(const CheckpointStore& store, const JobId& job,
                                                         std::span<const CheckpointRecord> known,
                                                         std::span<const CheckpointRecord> adopted) {
  const auto key = [](const CheckpointRecord& row) { return CheckpointKey{row.attempt, row.step}; };
  std::map<CheckpointKey, const CheckpointRecord*, std::greater<>> newest_first;
  for (const CheckpointRecord& row : known) {
    if (row.attempt.job == job && row.state == CheckpointState::kCommitted) newest_first[key(row)] = &row;
  }
  std::vector<UnreadableCheckpoint> unreadable;
  for (const auto& [id, row] : newest_first) {
    if (!adopted.empty() && key(adopted.back()) > id) break;  // verified just now
    const auto whole = VerifyRow(store, *row);
    if (whole) break;
    const ErrorCode code = whole.error().code;
    if (code != ErrorCode::kCorrupt && code != ErrorCode::kNotFound) return tl::unexpected(whole.error());
    unreadable.push_back({*row, whole.error().Text()});
  }
  return unreadable;
}

// Takes in what the attempt's folder holds without a row.
Result<void> AdoptFrom(const CheckpointStore& store, const AttemptId& newest, std::span<const CheckpointRecord> known,
                       JobFolders& folders) {
  TUTTI_ASSIGN_OR_RETURN(AttemptContents contents, store.Inspect(newest));
  TUTTI_RETURN_IF_ERROR(store.SyncFolders(newest));
  folders.quarantined = std::move(contents.quarantined);
  for (const FoundCheckpoint& checkpoint : contents.checkpoints) {
    if (HasRow(checkpoint, known)) continue;
    if (auto whole = store.Verify(checkpoint); whole) {
      folders.adopted.push_back(RecordOf(checkpoint));
    } else if (whole.error().code == ErrorCode::kCorrupt) {
      folders.quarantined.push_back({checkpoint.folder, whole.error().Text()});
    } else {
      return tl::unexpected(std::move(whole.error()));
    }
  }
  return {};
}

}  // namespace

CheckpointRecord RecordOf(const FoundCheckpoint& checkpoint) {
  const Manifest& manifest = checkpoint.manifest;
  const auto loss = manifest.metrics.find("validation_loss");
  return {.attempt = manifest.attempt,
          .step = manifest.step,
          .state = CheckpointState::kCommitted,
          .epoch = manifest.epoch,
          .folder = (AttemptFolder(manifest.attempt) / StepFolderName(manifest.step)).string(),
          .manifest_hash = checkpoint.manifest_hash,
          .size_bytes = TotalBytes(manifest),
          .validation_loss = loss == manifest.metrics.end() ? std::nullopt : std::optional(loss->second)};
}

Result<JobFolders> InspectJobFolders(const CheckpointStore& store, const JobId& job,
                                     std::span<const CheckpointRecord> known) {
  JobFolders folders;
  TUTTI_ASSIGN_OR_RETURN(const std::vector<AttemptId> attempts, store.Attempts(job.ensemble));
  for (const AttemptId& attempt : attempts) {
    if (attempt.job != job) continue;
    folders.highest_attempt = attempt.number;  // they come by number
    TUTTI_ASSIGN_OR_RETURN(const bool prepared, store.IsPrepared(attempt));
    if (prepared) folders.highest_prepared = attempt.number;
  }
  AttemptId newest{job, folders.highest_prepared};
  for (const CheckpointRecord& row : known) {
    if (row.attempt.job == job) newest.number = std::max(newest.number, row.attempt.number);
  }
  if (attempts.empty()) return folders;  // nothing at all is there: that says nothing of single checkpoints
  if (newest.number == folders.highest_prepared && newest.number > 0) {
    TUTTI_RETURN_IF_ERROR(AdoptFrom(store, newest, known, folders));
  }
  TUTTI_ASSIGN_OR_RETURN(folders.unreadable, FindUnreadable(store, job, known, folders.adopted));
  return folders;
}

}  // namespace tutti::storage
