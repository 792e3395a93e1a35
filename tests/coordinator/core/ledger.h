// What a catalog would hold: records by their keys.
#pragma once

#include <map>
#include <span>
#include <string>
#include <tuple>

#include "coordinator/core/effects.h"

namespace tutti::core {

class Ledger {
 public:
  // Commits the persist-effects and erasures among `effects`.
  void Commit(std::span<const Effect> effects);
  Records All() const;  // by key

 private:
  void Put(const Record& record);
  void Erase(const Erasure& key);

  std::map<EnsembleId, EnsembleRecord> ensembles_;
  std::map<JobId, JobRecord> jobs_;
  std::map<AttemptId, AttemptRecord> attempts_;
  std::map<std::pair<AttemptId, int>, EpochRecord> epochs_;
  std::map<CheckpointKey, CheckpointRecord> checkpoints_;
  std::map<std::tuple<AttemptId, std::string, Split>, PredictionRecord> predictions_;
  std::map<WorkerId, DrainRecord> drains_;
};

}  // namespace tutti::core
