// A member at one moment, and its form on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/json.h"
#include "common/result.h"
#include "common/tensors/tensor_file.h"
#include "storage/checkpoints/checkpoint_store.h"
#include "worker/trainer/data/batches.h"
#include "worker/trainer/optim/flat_parameters.h"
#include "worker/trainer/training/evaluation.h"

namespace tutti::trainer {

// How far a training has come: with the tensors, all that a resumed run needs to end bit for bit where an undisturbed
// one does.
struct Position {
  struct Best {
    int64_t step = 0;
    double loss = 0;
  };

  int64_t step = 0;           // updates made
  double epoch_loss_sum = 0;  // over the samples of the epoch that is under way
  int64_t epoch_samples = 0;
  double epoch_seconds = 0;         // training alone, without validation and checkpoints
  double train_seconds = 0;         // of all epochs
  std::optional<Score> validation;  // of the model at this very step
  std::optional<Best> best;         // by validation loss
};
Json ToJson(const Position& position);
Result<Position> PositionFromJson(const Json& json);

// Owns its tensors: training may go on while it is written.
struct Snapshot {
  Position position;
  double epoch = 0;
  std::vector<NamedArray> model;     // parameters and buffers under their names in PyTorch
  tensors::Metadata model_metadata;  // what a reader in Python needs besides
  std::vector<NamedArray> training;  // "optimizer.KIND.PARAMETER", "best.NAME"
  tensors::Metadata training_metadata;
};

inline constexpr char kModelFile[] = "model.safetensors";
inline constexpr char kTrainingFile[] = "training.safetensors";

// Writes and commits it. The store's errors.
Result<storage::FoundCheckpoint> WriteCheckpoint(storage::CheckpointStore& store, const AttemptId& attempt,
                                                 const Snapshot& snapshot);

// Appends contiguous CPU tensors to `file` as safetensors.
Result<void> WriteArrays(WritableFile& file, const std::vector<NamedArray>& arrays, const tensors::Metadata& metadata);
// Copies what `file` holds under `prefix` + name into each of `into`. kCorrupt: missing, or of another type or shape.
Result<void> ReadArrays(const tensors::TensorFile& file, const std::string& prefix,
                        const std::vector<NamedArray>& into);

}  // namespace tutti::trainer
