// Checkpoints that are on disk and not in the catalog: a coordinator that was away, or died between a trainer's commit
// and its own, takes them in.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::storage {

// The row of a checkpoint that was found. Its loss is the manifest's metric "validation_loss".
CheckpointRecord RecordOf(const FoundCheckpoint& checkpoint);

// The rows to add: checkpoints of `found` that belong to `newest` and have no row in `known`. A row that is marked for
// deletion counts as one: what is being deleted is not taken in again. Pure.
std::vector<CheckpointRecord> ChooseForAdoption(const AttemptId& newest, std::span<const FoundCheckpoint> found,
                                                std::span<const CheckpointRecord> known);

// What a job's folders tell before its next attempt is granted.
struct JobFolders {
  std::vector<CheckpointRecord> adopted;         // whole ones of its newest attempt without a row, by rising step
  int highest_attempt = 0;                       // that has a folder; 0: none
  std::vector<std::filesystem::path> temporary;  // of its newest attempt
  std::vector<QuarantinedFolder> quarantined;    // of its newest attempt
};
// Reads the folders of `job`. The newest attempt is the higher of those that have a folder and those of which `known`
// has a row. Files are verified by hash before a checkpoint is adopted; one that fails is quarantined.
// Errors: kIo, kDenied. No folder at all is no error.
Result<JobFolders> InspectJobFolders(const CheckpointStore& store, const JobId& job,
                                     std::span<const CheckpointRecord> known);

}  // namespace tutti::storage
