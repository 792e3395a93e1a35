// What members leave on disk: which checkpoint is gone on from, which are let go, which predictions count. Internal.
#pragma once

#include <optional>
#include <vector>

#include "coordinator/core/state.h"

namespace tutti::core {

// The newest committed one over all attempts.
std::optional<CheckpointKey> NewestCheckpoint(const State& state, const JobId& job);

// Takes a checkpoint into the records; one beyond all earlier ones shows progress and clears the job's failures.
void RecordCheckpoint(State& state, Turn& turn, Job& job, CheckpointRecord record);

// Marks what the job's checkpoints of no use are and asks for their deletion.
void ApplyRetention(State& state, Turn& turn, const Job& job);

// Of each predictor and split, what the newest attempt wrote.
std::vector<PredictionRecord> PredictionsInUse(const State& state, const JobId& job);

void OnFoldersInspected(State& state, Turn& turn, const FoldersInspected& event);
void OnCheckpointRemoved(State& state, Turn& turn, const CheckpointRemoved& event);

}  // namespace tutti::core
