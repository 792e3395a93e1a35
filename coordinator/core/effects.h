// What the core wants done. Persist-effects are committed first, all of a batch in one transaction; then the others
// happen, in order. Each of them is idempotent and, where it says so, ends in an event.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/protocol/channel.h"
#include "common/records.h"

namespace tutti::core {

struct Persist {
  Record record;
};
struct Erase {
  Erasure key;
};
// Tells a worker something; dropped when this incarnation of it is not connected.
struct Tell {
  WorkerId worker;
  protocol::ToWorker message;
  Incarnation incarnation;  // a refused older process must not be heard by the newer one of its name
};
// Grants the slots to every worker of the gang (GrantSlots) and tells the leader to start (StartAttempt). The server
// makes the task from the job, the ensemble's spec and what is stored (protocol/task.h).
struct StartAttempt {
  AttemptId attempt;
  JobKind kind = JobKind::kTrain;
  std::vector<SlotId> gang;
  int shards = 1;
  std::optional<CheckpointKey> resume_from;
  std::map<WorkerId, Incarnation> incarnations = {};  // of the gang's workers: others of these names have no part in it
};
// Looks whether the split and the labels that it was drawn from can be read -> InspectionChecked.
struct CheckInspection {
  EnsembleId id;
};
// Draws the split from the inspect job's labels and persists it -> SplitDrawn.
struct DrawSplit {
  EnsembleId id;
  std::string inspection;  // file of labels, relative to the ensemble's folder
};
// Combines what finished members predicted -> CombinationDone. Writes ensemble/ and results.
struct Combine {
  EnsembleId id;
  std::vector<PredictionRecord> predictions;
  int finished_members = 0;
  int members = 0;
};
// Looks at the folders of a job's attempts before a replacement is granted -> FoldersInspected.
struct InspectFolders {
  JobId job;
};
// Deletes a checkpoint whose record is marked -> CheckpointRemoved.
struct RemoveCheckpoint {
  CheckpointKey key;
};
// Takes away the folder of an ensemble whose record is marked -> EnsembleFolderRemoved.
struct RemoveEnsembleFolder {
  EnsembleId id;
};
// Something that people watch changed.
struct Notify {
  EnsembleId ensemble;
  std::string what;  // "lenet5-s0 finished: validation loss 0.271"
};

using Effect = std::variant<Persist, Erase, Tell, StartAttempt, CheckInspection, DrawSplit, Combine, InspectFolders,
                            RemoveCheckpoint, RemoveEnsembleFolder, Notify>;

}  // namespace tutti::core
