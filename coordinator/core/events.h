// What happens to the core. Plain data; `now` travels beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/protocol/channel.h"
#include "common/records.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::core {

// ---- people ----
struct EnsembleSubmitted {
  EnsembleId id;  // chosen by the server
  spec::EnsembleSpec spec;
  std::string spec_hash;
  int priority = 0;
};
// From now on it is served before those of a lower priority; what runs goes on.
struct EnsemblePrioritised {
  EnsembleId id;
  int priority = 0;
};
struct EnsembleCancelled {
  EnsembleId id;
};
// A stopped, failed or cancelled ensemble goes on: what finished stays, the rest waits again. A finished one has
// nothing to go on with; where its answer was lost, its members are combined again.
enum class Answer { kKept, kLost };
struct EnsembleResumed {
  EnsembleId id;
  Answer answer = Answer::kKept;
};
struct EnsembleRemoved {  // ended ones only; others are left alone
  EnsembleId id;
};
// The coordinator is asked to leave: every attempt checkpoints and stops, nothing new starts.
struct StopRequested {};

// ---- workers ----
struct WorkerJoined {
  protocol::Hello hello;
};
struct WorkerDisconnected {  // its connection broke; it has a moment to come back
  WorkerId worker;
  Incarnation incarnation;
};
// Everything else that a worker says. Repeats, strays and messages of an older incarnation are harmless.
struct WorkerSaid {
  WorkerId worker;
  Incarnation incarnation;
  protocol::FromWorker message;  // any but Hello
};
// Somebody wants a node to themselves: a worker that is drained gets nothing new. What it runs goes on to its end, or
// checkpoints and goes on elsewhere. Holds for every process of that name until it ends.
struct WorkerDrained {
  enum class Drain { kFinish, kCheckpoint, kEnd };
  WorkerId worker;
  Drain drain = Drain::kFinish;
};

// ---- effects that ended ----
struct StartRefused {  // nothing was prepared for it, and no worker heard of it
  AttemptId attempt;
  std::string error;
};
struct InspectionChecked {
  EnsembleId id;
  std::string error;  // empty: all that it left can be read
};
struct SplitDrawn {
  EnsembleId id;
  std::string error;  // empty: done
};
struct CombinationDone {
  EnsembleId id;
  std::string error;             // empty: done
  std::vector<JobId> lost = {};  // members whose predictions are gone or damaged
};
// What a job's folders hold, told before a replacement is granted (see InspectFolders).
struct FoldersInspected {
  struct Unreadable {
    CheckpointKey key;
    std::string error;
  };
  JobId job;
  std::vector<CheckpointRecord> adopted;    // had no record
  int highest_attempt = 0;                  // that has a folder
  std::vector<Unreadable> unreadable = {};  // have a record, are newer than all that can be read, and cannot be
  // What its newest attempt's events file holds beyond what was acknowledged: nobody was there to tell it.
  std::vector<protocol::AttemptEvent> unheard = {};
  std::string error = {};  // the folders cannot be read now: nothing of the above is known
};
struct CheckpointRemoved {
  CheckpointKey key;
  std::string error;
};

struct EnsembleFolderRemoved {
  EnsembleId id;
  std::string error;  // empty: nothing has its name any more
};

struct Tick {};  // time passed

using Event = std::variant<EnsembleSubmitted, EnsemblePrioritised, EnsembleCancelled, EnsembleResumed, EnsembleRemoved,
                           StopRequested, WorkerJoined, WorkerDisconnected, WorkerSaid, WorkerDrained, StartRefused,
                           InspectionChecked, SplitDrawn, CombinationDone, FoldersInspected, CheckpointRemoved,
                           EnsembleFolderRemoved, Tick>;

}  // namespace tutti::core
