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

// A checkpoint that has a row and cannot be gone on from: its folder is gone, or holds other bytes than were written.
struct UnreadableCheckpoint {
  CheckpointRecord row;
  std::string reason;
};

// What a job's folders tell before its next attempt is granted.
struct JobFolders {
  std::vector<CheckpointRecord> adopted;         // whole ones of its newest attempt without a row, by rising step
  int highest_attempt = 0;                       // that has a folder, runs by hand too; 0: none
  int highest_prepared = 0;                      // the same without runs by hand
  std::vector<QuarantinedFolder> quarantined;    // of its newest attempt
  std::vector<UnreadableCheckpoint> unreadable;  // newer than all that can be read; the newest first
};
// Reads the folders of `job`, whose attempts have all ended. The newest attempt is the highest of those that a
// coordinator prepared a folder for and those of which `known` has a row. A row that is marked for deletion counts as
// one: what is being deleted is not taken in again. Files are verified by hash, and their folders synced, before a
// checkpoint is adopted; one that fails is quarantined. So are those of rows, from the newest on until one is whole:
// that is where the next attempt goes on.
//
// Errors: kIo, kDenied: a disk that does not answer now condemns no checkpoint. No folder at all is no error.
Result<JobFolders> InspectJobFolders(const CheckpointStore& store, const JobId& job,
                                     std::span<const CheckpointRecord> known);

}  // namespace tutti::storage
