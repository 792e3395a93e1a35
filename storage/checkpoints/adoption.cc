#include "storage/checkpoints/adoption.h"

#include <algorithm>

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

std::vector<CheckpointRecord> ChooseForAdoption(const AttemptId& newest, std::span<const FoundCheckpoint> found,
                                                std::span<const CheckpointRecord> known) {
  std::vector<CheckpointRecord> adopted;
  for (const FoundCheckpoint& checkpoint : found) {
    if (checkpoint.manifest.attempt == newest && !HasRow(checkpoint, known)) adopted.push_back(RecordOf(checkpoint));
  }
  return adopted;
}

Result<JobFolders> InspectJobFolders(const CheckpointStore& store, const JobId& job,
                                     std::span<const CheckpointRecord> known) {
  JobFolders folders;
  TUTTI_ASSIGN_OR_RETURN(const std::vector<AttemptId> attempts, store.Attempts(job.ensemble));
  for (const AttemptId& attempt : attempts) {
    if (attempt.job == job) folders.highest_attempt = std::max(folders.highest_attempt, attempt.number);
  }
  AttemptId newest{job, folders.highest_attempt};
  for (const CheckpointRecord& row : known) {
    if (row.attempt.job == job) newest.number = std::max(newest.number, row.attempt.number);
  }
  if (newest.number > folders.highest_attempt || newest.number == 0) return folders;

  TUTTI_ASSIGN_OR_RETURN(AttemptContents contents, store.Inspect(newest));
  folders.temporary = std::move(contents.temporary);
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
  return folders;
}

}  // namespace tutti::storage
