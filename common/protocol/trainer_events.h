// What a trainer says: JSON lines, appended to the events file of its attempt. The offset after a line is its sequence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/json.h"
#include "common/records.h"
#include "common/result.h"

namespace tutti::protocol {

// Fields that came later than the first format may be missing in events.jsonl of earlier builds: see kFields.
inline constexpr int kTrainerEventsVersion = 3;

// {"event": "started", ...}
struct Started {
  int64_t step = 0;  // 0, or that of the checkpoint it goes on from
  int64_t total_steps = 0;
  int64_t steps_per_epoch = 0;
  int world_size = 1;
  Json provenance = Json::object();     // libtorch, threads, device, host, every `auto` that was decided
  int version = kTrainerEventsVersion;  // of the lines that follow; the first format, 1, did not say it
};
// A few times a second at most; never durable.
struct Progress {
  int64_t step = 0;
  double epoch = 0;
  double train_loss = 0;  // running mean of this epoch
  double images_per_second = 0;
};
struct EpochDone {
  int epoch = 0;  // from 1
  int64_t step = 0;
  double train_loss = 0;
  std::optional<double> validation_loss;
  std::optional<double> validation_accuracy;
  double learning_rate = 0;
  double images_per_second = 0;
  double train_seconds = 0;
};
struct CheckpointWritten {
  int64_t step = 0;
  double epoch = 0;
  std::string folder;  // relative to the ensemble's folder
  std::string manifest_hash;
  uint64_t size_bytes = 0;
  std::optional<double> validation_loss;
};
struct PredictionsWritten {
  std::string predictor;  // "last", "best"
  Split split = Split::kValidation;
  std::string file;  // relative to the ensemble's folder
  int64_t samples = 0;
  int64_t step = 0;       // of the weights that answered: a checkpoint of this attempt, or of one that it went on from
  std::string hash = {};  // XXH3-128 of the file; empty: formats 1 and 2 did not say it
};
// Of an inspect job. `file`, relative to the ensemble's folder, is a safetensors with int64 "labels" [samples] of all
// samples in the order of their ids: the source's training part first, then its test part.
struct Inspected {
  int64_t training_samples = 0;
  int64_t test_samples = 0;
  int classes = 0;
  std::vector<std::string> class_names;  // may be empty
  int channels = 0, height = 0, width = 0;
  std::string data_hash;
  std::string file;
};
// The last line of an attempt that did not finish, in words for people. Its exit code says whether it would end the
// same again (IsPermanent).
struct Failed {
  std::string error;
};
struct Finished {
  int64_t step = 0;
  double train_seconds = 0;  // of all its epochs, validation apart
  double seconds = 0;        // of this attempt from its Started on: training, validation and predictions
};
// Asked to stop, after its checkpoint.
struct StoppedEarly {
  int64_t step = 0;
};

using TrainerEvent = std::variant<Started, Progress, EpochDone, CheckpointWritten, PredictionsWritten, Inspected,
                                  Failed, Finished, StoppedEarly>;

Json ToJson(const TrainerEvent& event);
Result<TrainerEvent> TrainerEventFromJson(const Json& json);  // kInvalid: unknown event or missing key

// Exit codes of tutti-trainer.
inline constexpr int kExitFinished = 0;
inline constexpr int kExitStopped = 75;
inline constexpr int kExitBadTask = 64;
inline constexpr int kExitBadData = 65;
inline constexpr int kExitInternal = 70;
inline constexpr int kExitIo = 74;
inline constexpr int kExitDiverged = 76;
inline constexpr int kExitOutOfMemory = 77;

// True when the same run would end the same: 64, 65, 76.
bool IsPermanent(int exit_code);

}  // namespace tutti::protocol
