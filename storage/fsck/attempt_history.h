// What an attempt's folder tells of it when no catalog does.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/records.h"
#include "common/result.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::storage {

struct LostPredictions {
  PredictionRecord row;
  Error error;  // kNotFound or kCorrupt
};

struct AttemptHistory {
  AttemptRecord attempt;  // ended, without gang: who ran it is not known any more
  std::vector<EpochRecord> epochs;
  std::vector<CheckpointRecord> checkpoints;
  std::vector<PredictionRecord> predictions;  // of files that are there and whole
  std::vector<LostPredictions> lost;          // of those that are gone or damaged
  std::string data_hash;                      // of an inspect job that ended well
  std::optional<int64_t> finished_at;         // the step at which it said that it had finished
  std::vector<QuarantinedFolder> quarantined;
};

// Reads events.jsonl, the checkpoints, verified by hash, and the predictions, and syncs their folders, so that what is
// recorded of them survives a power cut. Lines that are no events are passed over.
// Errors: kNotFound without folder; kIo, kDenied.
Result<AttemptHistory> ReadAttempt(FileSystem& files, const std::filesystem::path& ensemble_folder,
                                   const AttemptId& id);

// When a file was written last; nothing when it is not there.
std::optional<TimePoint> WrittenAt(const std::filesystem::path& path);

}  // namespace tutti::storage
